package dev.sparrow.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.CudaSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigParserTest {
  @Test
  void defaultsAreValidAndComeFromReferenceConf() {
    RunConfig config = ConfigParser.defaults();
    assertEquals(256, config.model().context());
    assertEquals(Activation.GELU, config.model().activation());
    assertEquals(4 * 256, config.model().hiddenColumns());
    assertEquals(Moe.Dispatch.DROPLESS, config.moe().dispatch());
    assertEquals(Train.BackendChoice.AUTO, config.train().backend());
    assertEquals(CudaSettings.DEFAULT, config.train().cuda());
  }

  @Test
  void aSectionWithinASectionIsReadAndChecked() {
    List<String> own = List.of("train.cuda.cublas=off", "train.cuda.nccl=off");
    assertEquals(CudaSettings.OWN, ConfigParser.parse("", "recipe", own).train().cuda());
    List<String> sparse = List.of("train.cuda.sparse=kernels");
    assertEquals(
        CudaSettings.SparseUse.KERNELS,
        ConfigParser.parse("", "recipe", sparse).train().cuda().sparse());
    ConfigProblemsException e =
        assertThrows(
            ConfigProblemsException.class,
            () ->
                ConfigParser.parse(
                    "train.cuda { cublas = sometimes, ncl = on, graphs = 2 }",
                    "recipe",
                    List.of()));
    assertHas(e, "train.cuda.cublas: expected one of auto, on, timed, off, got sometimes");
    assertHas(e, "train.cuda.ncl: unknown key; did you mean train.cuda.nccl?");
    assertHas(e, "train.cuda.graphs: expected true or false, got 2");
    assertEquals(3, e.problems().size(), e.getMessage());
  }

  @Test
  void aRecipeOverridesTheReferenceAndAssignmentsOverrideTheRecipe() {
    RunConfig config =
        ConfigParser.parse(
            "model { width = 64, heads = 2 }\ntrain.steps = 7",
            "recipe",
            List.of(
                "train.steps=9",
                "data.path=hdfs://name:9000/a b.txt",
                "data.options.header=true",
                "generate.prompt=def main(x): # 1",
                "schedule.milestones=[3, 5]",
                "schedule.name=step"));
    assertEquals(64, config.model().width());
    assertEquals(9, config.train().steps());
    assertEquals("hdfs://name:9000/a b.txt", config.data().path());
    assertEquals("true", config.data().options().get("header"));
    assertEquals("def main(x): # 1", config.generate().prompt());
    assertEquals(List.of(3, 5), config.schedule().milestones());
  }

  @Test
  void theResolvedTextParsesToTheSameRun() {
    RunConfig config = ConfigParser.parse("model.width = 512", "recipe", List.of("train.seed=5"));
    assertEquals(config, ConfigParser.parse(config.text(), "resolved", List.of()));
  }

  @Test
  void allProblemsAreReportedTogetherWithTheNearestValidName() {
    ConfigProblemsException e =
        assertThrows(
            ConfigProblemsException.class,
            () ->
                ConfigParser.parse(
                    "model { widht = 64, layers = many, heads = 3 }\ntrian.steps = 5",
                    "recipe",
                    List.of("optimizer.learning-rate=-1", "moe.top-k=9", "nonsense")));
    assertHas(e, "model.widht: unknown key; did you mean model.width?");
    assertHas(e, "trian.steps: unknown key; did you mean train.steps?");
    assertHas(e, "model.layers: expected a whole number >= 1, got many");
    assertHas(e, "optimizer.learning-rate: expected a number > 0, got -1.0");
    assertHas(e, "moe.top-k: expected a whole number in 1..8, got 9");
    assertHas(e, "model.heads: expected a divisor of model.width = 256, got 3");
    assertHas(e, "command line: expected key=value, got \"nonsense\"");
    assertEquals(7, e.problems().size(), e.getMessage());
  }

  @Test
  void aSectionGivenAsAValueIsReported() {
    ConfigProblemsException e =
        assertThrows(
            ConfigProblemsException.class,
            () -> ConfigParser.parse("model = 3", "recipe", List.of()));
    assertHas(e, "model: expected a section { ... }, got 3");
    ConfigProblemsException inner =
        assertThrows(
            ConfigProblemsException.class,
            () -> ConfigParser.parse("", "recipe", List.of("train.cuda=off", "data.options=1")));
    assertHas(inner, "train.cuda: expected a section { ... }, got off");
    assertHas(inner, "data.options: expected a section { ... }, got 1");
  }

  @Test
  void aFractionIsNoWholeNumber() {
    ConfigProblemsException e =
        assertThrows(
            ConfigProblemsException.class,
            () -> ConfigParser.parse("", "recipe", List.of("model.layers=2.5")));
    assertHas(e, "model.layers: expected a whole number >= 1, got 2.5");
  }

  @Test
  void rulesBetweenKeysAreChecked() {
    ConfigProblemsException e =
        assertThrows(
            ConfigProblemsException.class,
            () ->
                ConfigParser.parse(
                    """
                    method.name = moe
                    moe { experts = 2, top-k = 3 }
                    tokenizer.kind = ids
                    cluster.ranks = 3
                    train.batch = 16
                    """,
                    "recipe",
                    List.of()));
    assertHas(e, "moe.top-k: expected at most moe.experts = 2, got 3");
    assertHas(e, "tokenizer.vocabulary: expected the number of ids >= 1");
    assertHas(e, "train.batch: expected a multiple of cluster.ranks = 3, got 16");
  }

  @Test
  void aKindOfModelRefusesWhatDoesNotFitIt() {
    RunConfig fine =
        ConfigParser.parse(
            "model { kind = mlp, hidden-layers = [], heads = 3 }", "recipe", List.of());
    assertEquals(ModelShape.Kind.MLP, fine.model().kind());
    assertEquals(List.of(), fine.model().hiddenLayers());
    ConfigProblemsException mlp =
        assertThrows(
            ConfigProblemsException.class,
            () ->
                ConfigParser.parse(
                    """
                    model { kind = mlp, hidden-layers = [512, 0], gated = true }
                    method.name = moe
                    image.height = 32
                    """,
                    "recipe",
                    List.of()));
    assertHas(mlp, "model.hidden-layers: expected whole numbers >= 1, got [512, 0]");
    assertHas(mlp, "model.gated: expected false for model.kind = mlp");
    assertHas(mlp, "method.name: expected dense, uniform or cuttlefish for model.kind = mlp");
    assertHas(mlp, "image.height: expected both image.height and image.width");
    assertEquals(4, mlp.problems().size(), mlp.getMessage());
    ConfigProblemsException vit =
        assertThrows(
            ConfigProblemsException.class,
            () ->
                ConfigParser.parse(
                    """
                    model { kind = vit, heads = 3, patch = 5, positions = rotary }
                    image { height = 32, width = 30 }
                    """,
                    "recipe",
                    List.of()));
    assertHas(vit, "model.heads: expected a divisor of model.width = 256, got 3");
    assertHas(vit, "model.positions: expected learned for model.kind = vit");
    assertHas(vit, "model.patch: expected a divisor of image.height = 32 and image.width = 30");
    assertEquals(3, vit.problems().size(), vit.getMessage());
    ConfigProblemsException resnet =
        assertThrows(
            ConfigProblemsException.class,
            () ->
                ConfigParser.parse(
                    "model { kind = resnet, depth = 19, heads = 3 }, method.name = moe",
                    "recipe",
                    List.of()));
    assertHas(resnet, "model.depth: expected one of [8, 14, 18, 20, 32, 44, 56] for model.kind");
    assertHas(resnet, "method.name: expected dense, uniform or cuttlefish for model.kind = resnet");
    assertEquals(2, resnet.problems().size(), resnet.getMessage());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cifar10-mlp",
        "cifar10-resnet",
        "cifar10-vit",
        "gpt2-small",
        "moe-small",
        "quickstart",
        "uniform-small",
        "cuttlefish-small"
      })
  void recipesAreValid(String recipe) throws IOException {
    String text = Files.readString(Path.of("..", "conf", recipe + ".conf"));
    RunConfig config = ConfigParser.parse(text, recipe, List.of());
    boolean images = recipe.startsWith("cifar10");
    assertEquals(images, config.model().kind().classifiesImages());
  }

  @Test
  void brokenSyntaxIsReportedWithItsPlace() {
    ConfigProblemsException e =
        assertThrows(
            ConfigProblemsException.class,
            () -> ConfigParser.parse("model { width = ", "recipe.conf", List.of()));
    assertHas(e, "recipe.conf: 1");
  }

  private static void assertHas(ConfigProblemsException e, String text) {
    assertTrue(
        e.getMessage().contains(text), () -> "expected \"" + text + "\" in:\n" + e.getMessage());
  }
}
