package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.checkpoint.CheckpointException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole runs of image classifiers. */
class ImageTrainTest {
  /** bf16 beside fp32, as in {@link CudaTrainTest}. */
  private static final double LOSS_TOLERANCE = 0.03;

  enum Form {
    MLP("model.kind=mlp", "model.hidden-layers=[48, 24]"),
    MLP_SPARSE(
        "model.kind=mlp",
        "model.hidden-layers=[48, 24]",
        "method.name=uniform",
        "uniform.products=sparse",
        "uniform.layers=[\"layers.*\"]",
        "uniform.sparsity=0.5",
        "uniform.schedule=rigl",
        "uniform.update-every=3"),
    VIT("model.kind=vit", "model.patch=2"),
    VIT_SPARSE(
        "model.kind=vit",
        "model.patch=2",
        "method.name=uniform",
        "uniform.products=sparse",
        "uniform.sparsity=0.5",
        "uniform.begin-step=2",
        "uniform.end-step=6"),
    RESNET("model.kind=resnet", "model.depth=8", "model.width=8"),
    RESNET_SPARSE(
        "model.kind=resnet",
        "model.depth=8",
        "model.width=8",
        "method.name=uniform",
        "uniform.products=sparse",
        "uniform.layers=[\"stages.*\"]",
        "uniform.sparsity=0.5",
        "uniform.schedule=rigl",
        "uniform.update-every=3"),
    MLP_LOW_RANK(
        "model.kind=mlp",
        "model.hidden-layers=[48, 24]",
        "method.name=cuttlefish",
        "cuttlefish.layers=[\"layers.*\"]",
        "cuttlefish.rule=pufferfish",
        "cuttlefish.ratio=1", // of weights that are noise still, half the rank is not determined
        "cuttlefish.switch-step=4"),
    RESNET_LOW_RANK(
        "model.kind=resnet",
        "model.depth=8",
        "model.width=8",
        "method.name=cuttlefish",
        "cuttlefish.layers=[\"stages.*\"]",
        "cuttlefish.rule=pufferfish",
        "cuttlefish.ratio=1", // of weights that are noise still, half the rank is not determined
        "cuttlefish.switch-step=8"),
    RESNET_LOW_RANK_NORMALISED(
        "model.kind=resnet",
        "model.depth=8",
        "model.width=8",
        "method.name=cuttlefish",
        "cuttlefish.layers=[\"stages.*\"]",
        "cuttlefish.rule=pufferfish",
        "cuttlefish.ratio=1",
        "cuttlefish.batch-norm=true",
        "cuttlefish.switch-step=4"),
    VIT_EXPERTS("model.kind=vit", "model.patch=2", "method.name=moe", "moe.experts=4");

    private final String[] settings;

    Form(String... settings) {
      this.settings = settings;
    }

    ToyRun run(String... more) {
      List<String> all = new ArrayList<>(List.of(settings));
      all.add("image.crop-padding=1");
      all.addAll(List.of(more));
      return new ToyRun(new StripesTask(), all.toArray(String[]::new));
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void nearlyAllClassesAreTold(Form form) {
    ToyRun.Result result = form.run("train.steps=250", "train.batch=24").alone();
    TrainSummary summary = result.summary();
    double accuracy = summary.confusion().accuracy();
    assertTrue(accuracy > 0.9, form + ": " + summary.confusion().rows() + " " + result.losses());
    MetricsRow last = result.rows().get(249);
    assertEquals(accuracy, last.validationAccuracy());
    assertEquals(250 * 24, last.trained());
  }

  @Test
  void rowsAndSummariesCountSamples() {
    ToyRun.Result result = Form.MLP.run().alone();
    String row = result.rows().get(9).toJson();
    assertTrue(row.contains("\"samples\":80,"), row);
    assertTrue(row.contains("\"samples_per_second\":"), row);
    assertTrue(row.contains("\"validation_accuracy\":"), row);
    assertFalse(row.contains("tokens"), row);
    long all = 0;
    for (List<Long> label : result.summary().confusion().rows()) {
      all += label.stream().mapToLong(Long::longValue).sum();
    }
    assertEquals(StripesTask.VALIDATION, all);
    String summary = result.summary().toJson();
    assertTrue(summary.contains("\"confusion\":[["), summary);
    assertTrue(summary.contains("\"samples\":80,"), summary);
    String language = new ToyRun().alone().summary().toJson();
    assertFalse(language.contains("confusion") || language.contains("accuracy"), language);
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void aResumedRunGivesTheSameBits(Form form, @TempDir Path directory) {
    ToyRun.Result whole = form.run().alone();
    form.run("checkpoint.every=2")
        .checkpoints(directory)
        .hook((step, arena, backend) -> step == 5)
        .alone();
    ToyRun.Result resumed = form.run("checkpoint.every=50").checkpoints(directory).alone();
    assertEquals(6, resumed.rows().get(0).step());
    assertEquals(whole.samples().subList(40, 80), resumed.samples());
    assertArrayEquals(whole.weights(), resumed.weights());
    assertEquals(
        whole.summary().confusion().rows(), resumed.summary().confusion().rows(), form.name());
  }

  /** Running statistics are each rank's own until they are averaged, and none are lost. */
  @Test
  void aResidualNetworkResumesOnTwoRanks(@TempDir Path directory) throws Exception {
    String[] sgd = {
      "optimizer.name=sgd",
      "optimizer.nesterov=true",
      "schedule.name=step",
      "schedule.milestones=[7]"
    };
    List<ToyRun.Result> whole = Form.RESNET.run(sgd).ranks(2);
    assertArrayEquals(whole.get(0).weights(), whole.get(1).weights(), "replicas");
    Form.RESNET.run(sgd).checkpoints(directory).hook((step, arena, backend) -> step == 5).ranks(2);
    List<ToyRun.Result> resumed = Form.RESNET.run(sgd).checkpoints(directory).ranks(2);
    assertEquals(6, resumed.get(0).rows().get(0).step());
    for (int rank = 0; rank < 2; rank++) {
      TrainSummary before = whole.get(rank).summary();
      TrainSummary after = resumed.get(rank).summary();
      assertArrayEquals(whole.get(rank).weights(), resumed.get(rank).weights());
      assertEquals(before.validationLoss(), after.validationLoss(), 1e-5, "statistics");
      assertEquals(before.confusion().rows(), after.confusion().rows());
    }
  }

  @Test
  void aCheckpointOfOtherSamplesIsRefused(@TempDir Path directory) {
    Form.MLP.run("checkpoint.every=5").checkpoints(directory).alone();
    Exception error =
        assertThrows(CheckpointException.class, () -> new ToyRun().checkpoints(directory).alone());
    assertTrue(error.getMessage().contains("model.context: expected 0"), error.getMessage());
  }

  /** Sums over ranks differ in order alone. */
  @ParameterizedTest
  @EnumSource(
      value = Form.class,
      names = {"MLP", "VIT", "VIT_SPARSE"})
  void twoRanksAgreeWithOne(Form form) throws Exception {
    ToyRun.Result one = form.run("train.micro-batch=2").alone();
    List<ToyRun.Result> two = form.run("train.micro-batch=2").ranks(2);
    assertArrayEquals(two.get(0).weights(), two.get(1).weights(), "replicas");
    List<Integer> together = new ArrayList<>(two.get(0).samples());
    together.addAll(two.get(1).samples());
    assertEquals(new HashSet<>(one.samples()), new HashSet<>(together), "augmented samples");
    for (int i = 0; i < 10; i++) {
      assertEquals(one.losses().get(i), two.get(0).losses().get(i), 0.005, "row " + (i + 1));
    }
    for (ToyRun.Result rank : two) {
      long all = 0;
      for (List<Long> label : rank.summary().confusion().rows()) {
        all += label.stream().mapToLong(Long::longValue).sum();
      }
      assertEquals(StripesTask.VALIDATION, all, "counts are summed over ranks");
    }
  }

  @Test
  void aWeightThatIsWholeForNowIsMultipliedAsADenseOne() {
    List<Double> dense = Form.RESNET.run().alone().losses();
    ToyRun later =
        Form.RESNET.run(
            "method.name=uniform",
            "uniform.layers=[\"stages.*\"]",
            "uniform.sparsity=0.5",
            "uniform.products=sparse",
            "uniform.begin-step=8",
            "uniform.end-step=9");
    for (ToyRun run : List.of(Form.RESNET_LOW_RANK.run(), later)) {
      assertEquals(dense.subList(0, 8), run.alone().losses().subList(0, 8));
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void lossesOnAGpuFollowTheCpus(Form form) {
    ToyRun.Result cpu = form.run().alone();
    ToyRun.Result gpu = form.run().on(rank -> TestGpu.open()).alone();
    assertEquals(cpu.samples(), gpu.samples());
    assertEquals(cpu.parameters(), gpu.parameters());
    for (int i = 0; i < 10; i++) {
      assertEquals(
          cpu.losses().get(i), gpu.losses().get(i), LOSS_TOLERANCE, form + ", row " + (i + 1));
    }
    // Factors move faster than ten steps' running statistics follow, which makes more of a
    // difference.
    double tolerance = form.name().startsWith("RESNET_LOW_RANK") ? 0.1 : LOSS_TOLERANCE;
    assertEquals(cpu.summary().validationLoss(), gpu.summary().validationLoss(), tolerance);
  }
}
