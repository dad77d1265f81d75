package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.MethodChoice;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.Moe;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.ImageShape;
import dev.sparrow.model.SmallModel.Kind;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ModelSummaryTest {
  private static final OptimizerSettings ADAMW =
      new OptimizerSettings(
          OptimizerSettings.Kind.ADAMW, 1e-3, 0.9, 0.95, 1e-8, 0.1, 0.9, false, 1);

  /** What is told before is what a model on the CPU then has. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void summaryEqualsTheModelThatRuns(Kind kind) {
    ModelSummary summary =
        ModelSummary.of(config(kind, "dense"), SmallModel.VOCABULARY, 3, ModelSummary.Device.CPU);
    try (SmallModel small = new SmallModel(new CpuBackend(1), kind, 0.1, 3)) {
      assertEquals(small.arena.parameterCount(), summary.parameters());
      assertEquals(small.workspace.bytes(), summary.activationBytes());
      assertEquals(
          small.backend.allocatedBytes(),
          summary.weightBytes() + summary.gradientBytes() + summary.activationBytes());
    }
    assertEquals(2 * summary.weightBytes(), summary.optimizerBytes());
    assertEquals(summary.parameters(), summary.activeParameters(), "all of a dense model");
    assertEquals(
        summary.parameters(), summary.layers().stream().mapToLong(l -> l.parameters()).sum());
  }

  /** Of a GPU too: bf16 activations, a bf16 copy of the weights, padded classes. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void summaryEqualsTheModelOnAGpu(Kind kind) {
    ModelSummary.Device gpu = ModelSummary.Device.GPU;
    ModelSummary summary = ModelSummary.of(config(kind, "dense"), SmallModel.VOCABULARY, 3, gpu);
    try (SmallModel small = new SmallModel(TestGpu.open(), kind, 0.1, 3)) {
      assertEquals(gpu.computeType(), small.backend.computeType());
      assertEquals(gpu.columnMultiple(), small.backend.columnMultiple());
      assertEquals(small.arena.parameterCount(), summary.parameters());
      assertEquals(small.workspace.bytes(), summary.activationBytes());
      assertEquals(
          small.backend.allocatedBytes(),
          summary.weightBytes() + summary.gradientBytes() + summary.activationBytes());
    }
    assertEquals(2 * summary.gradientBytes(), summary.optimizerBytes());
  }

  /**
   * Two blocks of width 8: qkv 8·24, out 8·8, up and down 8·32 multiply-adds, attention twice 8
   * with 3.5 tokens on average; the head 8·11.
   */
  @Test
  void flopsOfASmallGpt() {
    ModelSummary summary =
        ModelSummary.of(
            config(Kind.GPT, "dense"), SmallModel.VOCABULARY, 1, ModelSummary.Device.CPU);
    double block = 8 * 24 + 8 * 8 + 2 * 8 * 32 + 2 * 8 * 3.5;
    assertEquals(2 * (2 * block + 8 * 11), summary.forwardFlops());
    assertEquals(3 * summary.forwardFlops(), summary.trainingFlops());
  }

  /** Of a GPU too, and of every form that a classifier has. */
  @ParameterizedTest
  @EnumSource(
      value = SmallClassifier.Kind.class,
      names = {"MLP", "LINEAR", "VIT", "RESNET"})
  void summaryOfAClassifierEqualsTheModelThatRuns(SmallClassifier.Kind kind) {
    RunConfig config = config(kind.shape(0.1), "dense");
    for (ModelSummary.Device device : ModelSummary.Device.values()) {
      ModelSummary summary =
          ModelSummary.of(config, SmallClassifier.IMAGE, SmallClassifier.CLASSES, 3, device);
      boolean gpu = device == ModelSummary.Device.GPU;
      try (SmallClassifier small =
          new SmallClassifier(gpu ? TestGpu.open() : new CpuBackend(1), kind, 0.1, 3)) {
        assertEquals(small.arena.parameterCount(), summary.parameters());
        assertEquals(small.workspace.bytes(), summary.activationBytes());
      }
      assertEquals(Unit.SAMPLES, summary.unit());
    }
  }

  /**
   * Six patches of 8 numbers: the embedding 8·8, two blocks as above with a feed-forward of 12 and
   * attention to all six; the head 8·5 once an image.
   */
  @Test
  void flopsOfASmallVisionTransformer() {
    ModelSummary summary =
        ModelSummary.of(
            config(SmallClassifier.Kind.VIT.shape(0), "dense"),
            SmallClassifier.IMAGE,
            SmallClassifier.CLASSES,
            1,
            ModelSummary.Device.CPU);
    double block = 8 * 24 + 8 * 8 + 2 * 8 * 12 + 2 * 8 * 6;
    assertEquals(2 * (6 * (8 * 8 + 2 * block) + 8 * 5), summary.forwardFlops());
  }

  /** As often told: ResNet-18 for CIFAR has 11.17 million parameters and 0.56 GMAC. */
  @Test
  void convolutionsAreMeasuredAsInTheLiterature() {
    ModelSummary resnet18 = cifar("resnet", 18, 64);
    assertEquals(11_173_962, resnet18.parameters());
    assertEquals(2 * 555_422_720.0, resnet18.forwardFlops());
    // He et al. 2016, table 6, and a shortcut of 1 x 1 pixels with its norm in the last two stages.
    long shortcuts = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64;
    assertEquals(269_722 + shortcuts, cifar("resnet", 20, 16).parameters());
    // 16 convolutions without bias, two numbers of a norm for each of their channels, the head.
    long vgg = 20_018_880 + 2 * 5504 + 512 * 10 + 10;
    assertEquals(vgg, cifar("vgg", 19, 64).parameters());
  }

  private static ModelSummary cifar(String kind, int depth, int width) {
    List<String> settings =
        List.of("model.kind=" + kind, "model.depth=" + depth, "model.width=" + width);
    RunConfig config = ConfigParser.parse("", "test", settings);
    return ModelSummary.of(config, new ImageShape(32, 32, 3), 10, 2, ModelSummary.Device.CPU);
  }

  /** A quarter of the blocks' matrices is left; gradual pruning starts with all of them. */
  @Test
  void sparseWeightsAreMeasuredWithoutRunning() {
    List<String> settings = List.of("model.layers=2", "model.heads=2", "model.width=16");
    long dense = parameters(settings, "method.name=dense");
    long matrices = 2 * (4 * 16 * 16 + 2 * 16 * 64);
    assertEquals(
        dense - matrices * 3 / 4,
        parameters(
            settings, "method.name=uniform", "uniform.schedule=static", "uniform.sparsity=0.75"));
    assertEquals(dense, parameters(settings, "method.name=uniform", "uniform.schedule=gradual"));
  }

  /** Held, moved and multiplied as a dense layer is; a quarter of it differs from zero. */
  @ParameterizedTest
  @CsvSource({
    "uniform, '4 of 16 in each of 48 rows, multiplied whole'",
    "unstructured, '192 of 768, multiplied whole'"
  })
  void maskedWeightsAreNamedAndMeasuredWithoutRunning(String format, String kind) {
    List<String> settings = List.of("model.layers=2", "model.heads=2", "model.width=16");
    ModelSummary dense = summary(settings, "method.name=dense");
    ModelSummary masked =
        summary(
            settings,
            "method.name=uniform",
            "uniform.schedule=static",
            "uniform.sparsity=0.75",
            "uniform.products=dense",
            "uniform.format=" + format);
    long matrices = 2 * (4 * 16 * 16 + 2 * 16 * 64);
    assertEquals(dense.parameters(), masked.parameters());
    assertEquals(dense.activeParameters() - matrices * 3 / 4, masked.activeParameters());
    assertEquals(dense.forwardFlops(), masked.forwardFlops());
    assertTrue(
        masked.layers().stream().anyMatch(layer -> layer.kind().endsWith(kind)),
        masked.layers().toString());
  }

  private static long parameters(List<String> settings, String... more) {
    return summary(settings, more).parameters();
  }

  private static ModelSummary summary(List<String> settings, String... more) {
    List<String> all = new ArrayList<>(settings);
    all.addAll(List.of(more));
    RunConfig config = ConfigParser.parse("", "test", all);
    return ModelSummary.of(config, 11, 2, ModelSummary.Device.CPU);
  }

  /** Eight experts of three matrices (12, 8) in all; a token meets half of them. */
  @Test
  void mixtureOfExpertsIsMeasuredWithoutRunning() {
    ModelSummary summary =
        ModelSummary.of(
            config(Kind.LLAMA, "moe"), SmallModel.VOCABULARY, 3, ModelSummary.Device.CPU);
    assertEquals(8 * 3 * 12 * 8 / 2, summary.parameters() - summary.activeParameters());
    assertTrue(summary.activationBytes() > 0 && summary.bytes() > summary.activationBytes());
  }

  @Test
  void unknownMethodIsNamed() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> config(Kind.GPT, "thin")).getMessage();
    assertTrue(message.contains("method.name") && message.contains("got thin"), message);
  }

  private static RunConfig config(Kind kind, String method) {
    return config(kind.shape(0.1), method);
  }

  private static RunConfig config(ModelShape shape, String method) {
    return new RunConfig(
        null,
        null,
        null,
        shape,
        new MethodChoice(method),
        new Moe(4, 2, 0, 0, Moe.Dispatch.DROPLESS, 1.25, 0, 1, 0.01, 0.001, 0.001, 1),
        null,
        null,
        ADAMW,
        null,
        null,
        null,
        null,
        null,
        "",
        "");
  }
}
