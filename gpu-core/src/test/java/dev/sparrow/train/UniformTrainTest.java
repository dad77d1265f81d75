package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cuda.TestGpu;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole runs with uniformly sparse matrices. */
class UniformTrainTest {
  /** bf16 beside fp32, as in {@link CudaTrainTest}. */
  private static final double LOSS_TOLERANCE = 0.03;

  /** Schedules and formats, two or more changes of the pattern in 12 steps where it changes. */
  enum Form {
    STATIC("uniform.schedule=static"),
    STATIC_ERK("uniform.schedule=static", "uniform.distribution=erk"),
    GRADUAL("uniform.schedule=gradual", "uniform.begin-step=2", "uniform.end-step=8"),
    GRADUAL_BANK("uniform.schedule=gradual", "uniform.format=bank", "uniform.bank-columns=8"),
    GRADUAL_DOUBLY("uniform.schedule=gradual", "uniform.format=doubly"),
    AT_ONCE("uniform.schedule=gradual", "uniform.begin-step=5", "uniform.end-step=5"),
    RIGL("uniform.schedule=rigl", "uniform.end-step=10"),
    RIGL_ABLATING("uniform.schedule=rigl", "uniform.end-step=10", "uniform.ablation=0.95"),
    RIGL_GROUPS("uniform.schedule=rigl", "uniform.format=group", "uniform.end-step=10"),
    SET("uniform.schedule=set", "uniform.format=bank", "uniform.bank-columns=8"),
    EXPERTS_STATIC("method.name=moe+uniform", "moe.experts=4", "uniform.schedule=static"),
    EXPERTS_GRADUAL("method.name=moe+uniform", "moe.experts=4", "uniform.end-step=8"),
    EXPERTS_DOUBLY("method.name=moe+uniform", "moe.experts=3", "uniform.format=doubly"),
    EXPERTS_RIGL("method.name=moe+uniform", "moe.experts=4", "uniform.schedule=rigl"),
    EXPERTS_ABLATING(
        "method.name=moe+uniform",
        "moe.experts=4",
        "model.gated=true",
        "uniform.schedule=rigl",
        "uniform.ablation=0.95"),
    EXPERTS_CAPACITY(
        "method.name=moe+uniform",
        "moe.experts=4",
        "moe.dispatch=capacity",
        "uniform.schedule=set",
        "uniform.format=bank",
        "uniform.bank-columns=8"),
    EXPERTS_PADDED(
        "method.name=moe+uniform",
        "moe.experts=4",
        "moe.dispatch=padded",
        "model.gated=true",
        "uniform.schedule=rigl",
        "uniform.format=group"),
    MASKED_STATIC("uniform.schedule=static", "uniform.products=dense"),
    MASKED_GRADUAL("uniform.schedule=gradual", "uniform.products=dense"),
    MASKED_RIGL(
        "uniform.schedule=rigl",
        "uniform.end-step=10",
        "uniform.ablation=0.95",
        "uniform.products=dense"),
    MASKED_SET("uniform.schedule=set", "uniform.format=group", "uniform.products=dense"),
    UNSTRUCTURED_STATIC(
        "uniform.schedule=static",
        "uniform.distribution=erk",
        "uniform.format=unstructured",
        "uniform.products=timed"),
    UNSTRUCTURED_GRADUAL(
        "uniform.schedule=gradual", "uniform.format=unstructured", "uniform.products=dense"),
    UNSTRUCTURED_RIGL(
        "uniform.schedule=rigl",
        "uniform.end-step=10",
        "uniform.format=unstructured",
        "uniform.products=dense"),
    UNSTRUCTURED_SET(
        "uniform.schedule=set",
        "uniform.end-step=10",
        "uniform.format=unstructured",
        "uniform.products=dense"),
    EXPERTS_MASKED(
        "method.name=moe+uniform",
        "moe.experts=4",
        "moe.dispatch=padded",
        "model.gated=true",
        "uniform.schedule=rigl",
        "uniform.ablation=0.95",
        "uniform.products=dense"),
    EXPERTS_UNSTRUCTURED(
        "method.name=moe+uniform",
        "moe.experts=4",
        "uniform.schedule=rigl",
        "uniform.distribution=erk",
        "uniform.format=unstructured",
        "uniform.products=timed");

    private final String[] settings;

    Form(String... settings) {
      this.settings = settings;
    }

    ToyRun run(String... more) {
      List<String> all =
          new ArrayList<>(
              List.of(
                  "method.name=uniform",
                  "uniform.sparsity=0.75",
                  "uniform.products=sparse",
                  "uniform.update-every=3",
                  "train.steps=12"));
      all.addAll(List.of(settings));
      all.addAll(List.of(more));
      return new ToyRun(all.toArray(String[]::new));
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void lossesFallAtTheWantedSparsity(Form form) {
    ToyRun.Result result = form.run("train.steps=40").alone();
    List<Double> losses = result.losses();
    assertTrue(losses.get(39) < losses.get(0) - 0.3, form + ": " + losses);
    double sparsity = result.rows().get(39).figures().get("sparsity");
    // Fan-ins are whole numbers of 16 or 64 columns, or of banks of 8.
    assertEquals(0.75, sparsity, 0.02, form.name());
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void aResumedRunGivesTheSameBits(Form form, @TempDir Path directory) {
    ToyRun.Result whole = form.run().alone();
    for (int stop : new int[] {1, 3, 7}) {
      form.run("checkpoint.every=2")
          .checkpoints(directory.resolve("" + stop))
          .hook((step, arena, backend) -> step == stop)
          .alone();
      ToyRun.Result resumed =
          form.run("checkpoint.every=50").checkpoints(directory.resolve("" + stop)).alone();
      assertEquals(stop + 1, resumed.rows().get(0).step());
      assertArrayEquals(whole.weights(), resumed.weights(), form + " from step " + stop);
      assertEquals(whole.summary().validationLoss(), resumed.summary().validationLoss());
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Form.class,
      names = {
        "GRADUAL",
        "RIGL",
        "SET",
        "EXPERTS_GRADUAL",
        "EXPERTS_RIGL",
        "MASKED_GRADUAL",
        "UNSTRUCTURED_RIGL",
        "EXPERTS_MASKED"
      })
  void ranksHoldTheSamePatterns(Form form) throws Exception {
    ToyRun.Result alone = form.run().alone();
    List<ToyRun.Result> two = form.run().ranks(2);
    assertArrayEquals(two.get(0).weights(), two.get(1).weights());
    for (int i = 0; i < 12; i++) {
      // Sums in another order: a choice between near equals may fall differently, its effect small.
      assertEquals(alone.losses().get(i), two.get(0).losses().get(i), 0.02, "row " + (i + 1));
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Form.class,
      names = {
        "STATIC",
        "GRADUAL",
        "RIGL_GROUPS",
        "EXPERTS_GRADUAL",
        "EXPERTS_RIGL",
        "MASKED_GRADUAL",
        "UNSTRUCTURED_RIGL",
        "EXPERTS_MASKED"
      })
  void lossesOnAGpuFollowTheCpus(Form form) {
    ToyRun.Result cpu = form.run().alone();
    ToyRun.Result gpu = form.run().on(rank -> TestGpu.openWithSparseKernels()).alone();
    assertEquals(cpu.parameters(), gpu.parameters());
    for (int i = 0; i < 12; i++) {
      assertEquals(
          cpu.losses().get(i), gpu.losses().get(i), LOSS_TOLERANCE, form + ", row " + (i + 1));
    }
  }

  /**
   * One-shot: a dense run's weights, or those of dense experts, pruned after the first step, tuned
   * in the steps that follow.
   */
  @ParameterizedTest
  @CsvSource({"dense, uniform", "moe, moe+uniform"})
  void aTrainedModelIsPrunedAtOnceAndTuned(String method, String sparse, @TempDir Path directory)
      throws Exception {
    ToyRun.Result dense =
        new ToyRun("method.name=" + method, "moe.experts=4", "train.steps=60")
            .checkpoints(directory)
            .alone();
    String[] settings = {
      "method.name=" + sparse,
      "moe.experts=4",
      "uniform.begin-step=1",
      "uniform.end-step=1",
      "uniform.sparsity=0.5",
      "train.from=" + directory.resolve("step-00000060/model.safetensors")
    };
    ToyRun.Result tuned = Form.GRADUAL.run(settings).alone();
    assertTrue(tuned.losses().get(0) < dense.losses().get(0) - 0.5, tuned.losses().toString());
    assertEquals(0.5, tuned.rows().get(11).figures().get("sparsity"), 0.02);
    double validation = tuned.summary().validationLoss();
    assertEquals(dense.summary().validationLoss(), validation, 0.3);
    List<ToyRun.Result> two = Form.GRADUAL.run(settings).ranks(2);
    assertArrayEquals(two.get(0).weights(), two.get(1).weights());
    assertEquals(tuned.losses().get(0), two.get(0).losses().get(0), 1e-4);
  }

  /** Nothing would prune it: static weights would stay dense, dropping finds no pattern. */
  @ParameterizedTest
  @EnumSource(
      value = Form.class,
      names = {"STATIC", "RIGL", "SET"})
  void aDenseModelIsRefusedWhereNothingPrunesIt(Form form, @TempDir Path directory) {
    new ToyRun("method.name=dense", "train.steps=2").checkpoints(directory).alone();
    String from = "train.from=" + directory.resolve("step-00000002/model.safetensors");
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> form.run(from, "uniform.format=uniform").alone())
            .getMessage();
    assertTrue(
        message.startsWith("blocks.0.attention.qkv.weight: expected a sparse weight"), message);
  }

  /** Gradual pruning leaves such a layer dense. */
  @ParameterizedTest
  @EnumSource(
      value = Form.class,
      names = {"STATIC", "RIGL"})
  void aLayerThatKeepsAllMayStayDense(Form form, @TempDir Path directory) {
    String[] settings = {"uniform.distribution=erk", "uniform.sparsity=0.1"};
    ToyRun.Result pruned = Form.GRADUAL.run(settings).checkpoints(directory).alone();
    String from = "train.from=" + directory.resolve("step-00000012/model.safetensors");
    ToyRun.Result tuned = form.run(settings[0], settings[1], from).alone();
    assertEquals(pruned.parameters(), tuned.parameters());
    assertTrue(tuned.losses().get(11) < pruned.losses().get(0), tuned.losses().toString());
  }

  @Test
  void aPatternThatDoesNotFitTheFormatIsNamed(@TempDir Path directory) {
    Form.STATIC.run("train.steps=2", "uniform.sparsity=0.9").checkpoints(directory).alone();
    String[] settings = {
      "train.from=" + directory.resolve("step-00000002/model.safetensors"),
      "uniform.format=bank",
      "uniform.bank-columns=4"
    };
    String message =
        assertThrows(IllegalArgumentException.class, () -> Form.STATIC.run(settings).alone())
            .getMessage();
    assertTrue(message.startsWith("blocks.0.attention.qkv.weight.columns: expected"), message);
    assertTrue(message.contains("each of 4 banks, got [48, 2]"), message);
  }

  /** From the same start; sums in another order, as {@link #ranksHoldTheSamePatterns}. */
  @ParameterizedTest
  @EnumSource(
      value = Form.class,
      names = {
        "STATIC",
        "STATIC_ERK",
        "GRADUAL",
        "GRADUAL_BANK",
        "RIGL_ABLATING",
        "SET",
        "EXPERTS_STATIC",
        "EXPERTS_GRADUAL",
        "EXPERTS_ABLATING"
      })
  void theMaskedFormFollowsTheSparseOne(Form form) {
    ToyRun.Result sparse = form.run().alone();
    ToyRun.Result masked = form.run("uniform.products=dense").alone();
    assertEquals(sparse.losses().get(0), masked.losses().get(0), 1e-5);
    for (int i = 0; i < 12; i++) {
      assertEquals(sparse.losses().get(i), masked.losses().get(i), 0.02, "row " + (i + 1));
    }
    assertEquals(sparse.summary().activeParameters(), masked.summary().activeParameters());
    assertTrue(masked.parameters() > sparse.parameters());
    assertEquals(0, masked.rows().get(11).figures().get("sparse_layers"));
  }

  /** A mask holds no columns, columns no mask. */
  @ParameterizedTest
  @CsvSource({
    "STATIC, unstructured, mask got a uniform one",
    "MASKED_STATIC, unstructured, mask got a uniform one",
    "UNSTRUCTURED_STATIC, uniform, columns got an unstructured one"
  })
  void aSavedPatternOfAnotherStructureIsNamed(
      Form form, String format, String expected, @TempDir Path directory) {
    form.run("train.steps=2").checkpoints(directory).alone();
    String[] settings = {
      "train.from=" + directory.resolve("step-00000002/model.safetensors"),
      "uniform.format=" + format,
      "uniform.products=timed",
      "uniform.distribution=uniform"
    };
    String message =
        assertThrows(IllegalArgumentException.class, () -> Form.STATIC.run(settings).alone())
            .getMessage();
    String want =
        "blocks.0.attention.qkv.weight: expected a saved pattern in weight."
            + expected.replace(" got", ", got");
    assertTrue(message.startsWith(want), message);
  }

  @Test
  void fewerParametersAreHeldAndSummed() {
    ToyRun.Result dense = new ToyRun("method.name=dense", "train.steps=2").alone();
    ToyRun.Result sparse = Form.STATIC.run("train.steps=2").alone();
    // Matrices of the blocks: 2 x (48x16 + 16x16 + 64x16 + 16x64).
    long matrices = 2 * (48 * 16 + 16 * 16 + 2 * 64 * 16);
    assertEquals(dense.parameters() - matrices * 3 / 4, sparse.parameters());
  }

  /** Routers stay whole, and experts where they are excepted. */
  @Test
  void expertsAreHeldSparseUnlessExcepted() {
    String[] moe = {"method.name=moe", "moe.experts=4", "train.steps=2"};
    long dense = new ToyRun(moe).alone().parameters();
    long attention = 2 * (48 * 16 + 16 * 16);
    long experts = 2 * 4 * 2 * 64 * 16;
    assertEquals(
        dense - (attention + experts) * 3 / 4,
        Form.EXPERTS_STATIC.run("train.steps=2").alone().parameters());
    ToyRun.Result excepted =
        Form.EXPERTS_STATIC.run("train.steps=2", "uniform.except=[\"*.experts.*\"]").alone();
    assertEquals(dense - attention * 3 / 4, excepted.parameters());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "uniform.layers=[\"nothing.*\"] => expected patterns that match a layer, got nothing.*",
        "uniform.except=[\"blocks.7.*\"] => got blocks.7.*",
        "uniform.sparsity=0.99 => blocks.0.attention.qkv: expected a sparsity that leaves each row",
        "uniform.format=bank => blocks.0.attention.qkv: expected columns in banks of",
        "uniform.group-rows=7 uniform.format=group => expected rows in groups of uniform.group-rows = 7",
        "uniform.begin-step=11 => uniform.begin-step: expected at most uniform.end-step = 9",
        "uniform.schedule=rigl => uniform.format: doubly is kept by uniform.schedule = static or gradual",
        "uniform.format=unstructured uniform.schedule=rigl uniform.ablation=0.3 => uniform.ablation: expected 0 for uniform.format = unstructured",
        "uniform.format=unstructured => uniform.products: expected timed or dense for uniform.format = unstructured",
        "uniform.end-step=13 => uniform.end-step: expected at most train.steps = 12, got 13",
        "uniform.sparsity=0 => uniform.sparsity: expected more than 0",
        "uniform.layers=[] => uniform.layers: expected at least one pattern"
      })
  void settingsWithoutMeaningAreRefused(String example) {
    String[] parts = example.split(" => ");
    String message =
        assertThrows(
                RuntimeException.class, () -> Form.GRADUAL_DOUBLY.run(parts[0].split(" ")).alone())
            .getMessage();
    assertTrue(message.contains(parts[1]), message);
  }
}
