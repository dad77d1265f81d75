package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.sparsity.PairedTimer;
import dev.sparrow.sparsity.lowrank.CuttlefishMethod;
import dev.sparrow.sparsity.lowrank.LayerTimer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole runs whose matrices give way to factors. */
class CuttlefishTrainTest {
  /** bf16 beside fp32, as in {@link CudaTrainTest}. */
  private static final double LOSS_TOLERANCE = 0.03;

  /** Those of a block: qkv (48, 16), out (16, 16), up (64, 16), down (16, 64). */
  private static final long MATRICES = 2 * (48 * 16 + 16 * 16 + 2 * 64 * 16);

  /** Of 12 steps or more; all but FIXED switch at the fifth or sixth. */
  enum Form {
    AUTO("cuttlefish.latest=0.5", "train.steps=12"),
    AUTO_SGD(
        "cuttlefish.latest=0.5",
        "train.steps=12",
        "optimizer.name=sgd",
        "optimizer.learning-rate=0.4",
        "optimizer.weight-decay=1e-4"),
    FIXED("cuttlefish.rule=fixed", "cuttlefish.ratio=0.5"),
    PUFFERFISH("cuttlefish.rule=pufferfish", "cuttlefish.switch-step=5"),
    PUFFERFISH_RESET(
        "cuttlefish.rule=pufferfish", "cuttlefish.switch-step=5", "cuttlefish.momentum=reset"),
    EXPERTS_AUTO("method.name=moe+cuttlefish", "moe.experts=4", "cuttlefish.latest=0.5"),
    EXPERTS_FIXED(
        "method.name=moe+cuttlefish",
        "moe.experts=3",
        "model.gated=true",
        "cuttlefish.rule=fixed",
        "cuttlefish.ratio=0.5"),
    EXPERTS_CAPACITY(
        "method.name=moe+cuttlefish",
        "moe.experts=4",
        "moe.dispatch=capacity",
        "cuttlefish.rule=pufferfish",
        "cuttlefish.switch-step=5"),
    EXPERTS_PADDED(
        "method.name=moe+cuttlefish",
        "moe.experts=4",
        "moe.dispatch=padded",
        "model.gated=true",
        "cuttlefish.rule=pufferfish",
        "cuttlefish.switch-step=5");

    private final String[] settings;

    Form(String... settings) {
      this.settings = settings;
    }

    ToyRun run(String... more) {
      List<String> all =
          new ArrayList<>(
              List.of(
                  "method.name=cuttlefish",
                  "cuttlefish.every=1",
                  "cuttlefish.min-speed-up=0",
                  "train.steps=12"));
      all.addAll(List.of(settings));
      all.addAll(List.of(more));
      return new ToyRun(all.toArray(String[]::new));
    }
  }

  private static double figure(ToyRun.Result result, int row, String name) {
    return result.rows().get(row).figures().get(name);
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void lossesFallAcrossTheSwitch(Form form) {
    ToyRun.Result result = form.run("train.steps=40", "cuttlefish.latest=0.25").alone();
    List<Double> losses = result.losses();
    assertTrue(losses.get(39) < losses.get(0) - 0.3, form + ": " + losses);
    assertTrue(figure(result, 39, "low_rank_layers") > 0, form.name());
    assertTrue(figure(result, 39, "parameters") <= figure(result, 0, "parameters"), form.name());
  }

  /** Killed before, at and after the switch. */
  @ParameterizedTest
  @EnumSource(Form.class)
  void aResumedRunGivesTheSameBits(Form form, @TempDir Path directory) {
    ToyRun.Result whole = form.run().alone();
    assertTrue(figure(whole, 11, "low_rank_layers") > 0);
    for (int stop : new int[] {1, 4, 5, 6, 9}) {
      form.run("checkpoint.every=2")
          .checkpoints(directory.resolve("" + stop))
          .hook((step, arena, backend) -> step == stop)
          .alone();
      ToyRun.Result resumed =
          form.run("checkpoint.every=50").checkpoints(directory.resolve("" + stop)).alone();
      assertEquals(stop + 1, resumed.rows().get(0).step());
      assertArrayEquals(whole.weights(), resumed.weights(), form + " from step " + stop);
      assertEquals(whole.summary().validationLoss(), resumed.summary().validationLoss());
      Map<String, Double> expected = whole.rows().get(11).figures();
      for (String name : resumed.rows().get(11 - stop).figures().keySet()) {
        if (!name.equals("detector_seconds")) {
          assertEquals(expected.get(name), resumed.rows().get(11 - stop).figures().get(name), name);
        }
      }
    }
  }

  /** The window of five fills after two steps of warm-up: measurements decide, not the clock. */
  @Test
  void aResumedDetectorFiresWhenTheWholeOneDoes(@TempDir Path directory) {
    String[] settings = {"train.steps=30", "cuttlefish.latest=1", "cuttlefish.tolerance=0.6"};
    ToyRun.Result whole = Form.AUTO.run(settings).alone();
    int switched = 0;
    while (switched < 30 && !whole.rows().get(switched).figures().containsKey("rank")) {
      switched++;
    }
    assertTrue(switched >= 6 && switched < 30, "row " + switched);
    for (int stop : new int[] {7, switched, switched + 1, switched + 2}) {
      Form.AUTO
          .run(settings)
          .checkpoints(directory.resolve("" + stop))
          .hook((step, arena, backend) -> step == stop)
          .alone();
      ToyRun.Result resumed =
          Form.AUTO.run(settings).checkpoints(directory.resolve("" + stop)).alone();
      assertArrayEquals(whole.weights(), resumed.weights(), "from step " + stop);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Form.class,
      names = {"AUTO", "FIXED", "PUFFERFISH", "EXPERTS_AUTO"})
  void ranksHoldTheSameFactors(Form form) throws Exception {
    ToyRun.Result alone = form.run().alone();
    List<ToyRun.Result> two = form.run().ranks(2);
    assertArrayEquals(two.get(0).weights(), two.get(1).weights());
    assertEquals(figure(alone, 11, "low_rank_layers"), figure(two.get(0), 11, "low_rank_layers"));
    for (int i = 0; i < 12; i++) {
      assertEquals(alone.losses().get(i), two.get(0).losses().get(i), 0.02, "row " + (i + 1));
    }
    assertEquals(0, figure(alone, 11, "all_reduce_bytes"));
  }

  @Test
  void anotherNumberOfRanksGoesOn(@TempDir Path directory) throws Exception {
    ToyRun.Result whole = Form.PUFFERFISH.run().alone();
    for (int stop : new int[] {3, 7}) {
      Form.PUFFERFISH
          .run()
          .checkpoints(directory.resolve("" + stop))
          .hook((step, arena, backend) -> step == stop)
          .alone();
      List<ToyRun.Result> two =
          Form.PUFFERFISH.run().checkpoints(directory.resolve("" + stop)).ranks(2);
      assertArrayEquals(two.get(0).weights(), two.get(1).weights());
      for (int i = stop; i < 12; i++) {
        assertEquals(whole.losses().get(i), two.get(0).losses().get(i - stop), 0.01, "row " + i);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Form.class,
      names = {"AUTO", "AUTO_SGD", "FIXED", "PUFFERFISH", "EXPERTS_AUTO"})
  void lossesOnAGpuFollowTheCpus(Form form) {
    ToyRun.Result cpu = form.run().alone();
    ToyRun.Result gpu = form.run().on(rank -> TestGpu.open()).alone();
    assertEquals(cpu.parameters(), gpu.parameters());
    for (int i = 0; i < 12; i++) {
      assertEquals(
          cpu.losses().get(i), gpu.losses().get(i), LOSS_TOLERANCE, form + ", row " + (i + 1));
    }
  }

  /** Factors of full rank are the matrix: the loss of the next step is the whole model's. */
  @Test
  void factorsOfFullRankChangeNoLoss() {
    String[] ratio = {"cuttlefish.ratio=1", "optimizer.weight-decay=0.5"};
    ToyRun.Result dense =
        new ToyRun("method.name=dense", "train.steps=12", "optimizer.weight-decay=0.5").alone();
    ToyRun.Result late = Form.PUFFERFISH.run(ratio).alone();
    for (int i = 0; i < 5; i++) {
      assertEquals(dense.losses().get(i), late.losses().get(i), "row " + (i + 1));
    }
    assertEquals(dense.losses().get(5), late.losses().get(5), 1e-5);
    assertNotEquals(dense.losses().get(7), late.losses().get(7));
    assertEquals(dense.losses().get(11), late.losses().get(11), 0.2);
    ToyRun.Result early = Form.FIXED.run(ratio).alone();
    assertEquals(dense.losses().get(0), early.losses().get(0), 1e-5);
  }

  @Test
  void fewerParametersAreHeldAndSummed() throws Exception {
    ToyRun.Result dense = new ToyRun("method.name=dense", "train.steps=2").alone();
    List<ToyRun.Result> factored = Form.PUFFERFISH.run().ranks(2);
    // Rank 4: of (48, 16) 4·64, of (16, 16) 4·32, of (64, 16) and (16, 64) 4·80 each.
    long left = 2 * 4 * (64 + 32 + 2 * 80);
    assertEquals(dense.parameters() - MATRICES + left, factored.get(0).parameters());
    ToyRun.Result first = factored.get(0);
    assertEquals(8, figure(first, 11, "low_rank_layers"));
    assertEquals(4, figure(first, 11, "rank.blocks.1.feed_forward.up"));
    assertEquals(first.parameters(), figure(first, 11, "parameters"));
    double saved = 4.0 * (MATRICES - left);
    double bytes = figure(first, 0, "all_reduce_bytes") - figure(first, 11, "all_reduce_bytes");
    assertEquals(saved, bytes, 0.1 * saved); // parameters start at multiples of 256 bytes
  }

  @Test
  void stableRanksAreToldOfEveryLayerUntilTheSwitch() {
    ToyRun.Result result = Form.AUTO.run().alone();
    assertFalse(result.rows().get(1).figures().containsKey("stable_rank"), "in warm-up");
    Map<String, Double> before = result.rows().get(4).figures();
    double sum = 0;
    int layers = 0;
    for (Map.Entry<String, Double> entry : before.entrySet()) {
      if (entry.getKey().startsWith("stable_rank.")) {
        assertTrue(entry.getValue() >= 1 && entry.getValue() <= 16, entry.toString());
        sum += entry.getValue();
        layers++;
      }
    }
    assertEquals(8, layers);
    assertEquals(sum / 8, before.get("stable_rank"), 1e-9);
    Map<String, Double> after = result.rows().get(5).figures();
    assertFalse(after.containsKey("stable_rank"));
    assertTrue(after.containsKey("rank"));
    assertFalse(before.containsKey("switched_at"));
    assertEquals(6, after.get("switched_at"));
    assertEquals(after.get("rank") / 16, after.get("rank_share"), 1e-9);
    double validation = result.summary().validationSeconds();
    assertTrue(validation > 0 && validation < result.summary().wallSeconds());
    assertTrue(after.get("detector_seconds") > 0);
  }

  /** With AdamW alone, by no other rule, and not where the user sets rates. */
  @ParameterizedTest
  @CsvSource({
    "AUTO, auto, 0, true",
    "AUTO, auto, 1, false",
    "AUTO, paper, 0, false",
    "FIXED, fixed, 0, false",
    "AUTO_SGD, auto, 0, false"
  })
  void factorsLearnAsFastAsTheirMatrixDid(Form form, String rule, String scale, boolean matched) {
    ToyRun.Result result =
        form.run("cuttlefish.rule=" + rule, "cuttlefish.learning-rate-scale=" + scale).alone();
    double factor = figure(result, 11, "learning_rate_factor");
    assertEquals(matched, factor != 1, "factor " + factor);
    assertTrue(factor >= 1 && factor <= 4, "factor " + factor);
  }

  @Test
  void learningRatesAfterTheSwitchAreScaled() {
    String constant = "schedule.name=constant";
    ToyRun.Result plain = Form.PUFFERFISH.run(constant).alone();
    ToyRun.Result scaled =
        Form.PUFFERFISH.run(constant, "cuttlefish.learning-rate-scale=0.5").alone();
    assertEquals(plain.rows().get(4).learningRate(), scaled.rows().get(4).learningRate());
    assertEquals(plain.rows().get(5).learningRate() / 2, scaled.rows().get(5).learningRate());
  }

  /** The projected momentum goes on where the dense one was; a lost one begins anew. */
  @Test
  void momentumIsCarriedThroughTheFactors() {
    ToyRun.Result projected = Form.PUFFERFISH.run().alone();
    ToyRun.Result reset = Form.PUFFERFISH_RESET.run().alone();
    assertEquals(projected.losses().subList(0, 6), reset.losses().subList(0, 6));
    assertNotEquals(projected.losses().get(6), reset.losses().get(6));
  }

  /** From a model with factors, and from one without. */
  @Test
  void aSavedModelIsTrainedFurther(@TempDir Path directory) throws Exception {
    ToyRun.Result first = Form.PUFFERFISH.run("train.steps=40").checkpoints(directory).alone();
    String from = "train.from=" + directory.resolve("step-00000040/model.safetensors");
    for (Form form : new Form[] {Form.AUTO, Form.FIXED, Form.PUFFERFISH}) {
      ToyRun.Result tuned = form.run(from).alone();
      assertEquals(first.parameters(), tuned.parameters());
      assertTrue(tuned.losses().get(0) < first.losses().get(0) - 0.3, form + "" + tuned.losses());
      assertEquals(8, figure(tuned, 0, "low_rank_layers"));
    }
    Path other = directory.resolve("dense");
    new ToyRun("method.name=dense", "train.steps=40").checkpoints(other).alone();
    from = "train.from=" + other.resolve("step-00000040/model.safetensors");
    ToyRun.Result factored = Form.FIXED.run(from, "cuttlefish.ratio=0.75").alone();
    assertTrue(factored.losses().get(0) < first.losses().get(0) - 0.3);
    List<ToyRun.Result> two = Form.FIXED.run(from, "cuttlefish.ratio=0.75").ranks(2);
    assertArrayEquals(two.get(0).weights(), two.get(1).weights());
    assertEquals(factored.losses().get(0), two.get(0).losses().get(0), 1e-4);
  }

  /** Rank 0 alone is asked; up and down would gain, attention would not. */
  @ParameterizedTest
  @ValueSource(strings = {"auto", "paper"})
  void layersThatWouldNotBeFasterStayWhole(String rule) throws Exception {
    List<String> asked = new ArrayList<>();
    LayerTimer timer =
        (layer, rank) -> {
          asked.add(
              "%d x %d, %d rows, rank %d".formatted(layer.out(), layer.in(), layer.rows(), rank));
          return new PairedTimer.Times(layer.out() == 64 ? 2000 : 1000, 1000);
        };
    ToyRun run =
        Form.AUTO
            .run("cuttlefish.min-speed-up=1.05", "cuttlefish.rule=" + rule)
            .methods(
                (backend, config, rank) ->
                    new CuttlefishMethod(
                        backend,
                        config,
                        rank == 0
                            ? timer
                            : (layer, ranks) -> {
                              throw new AssertionError("timed " + layer);
                            }));
    List<ToyRun.Result> two = run.ranks(2);
    assertArrayEquals(two.get(0).weights(), two.get(1).weights());
    // The paper times a quarter of full rank, whatever the rank.
    int timed = rule.equals("auto") ? 8 : 4;
    assertTrue(asked.contains("64 x 16, 32 rows, rank " + timed), asked.toString());
    assertEquals(asked.size(), asked.stream().distinct().count());
    Map<String, Double> figures = two.get(0).rows().get(11).figures();
    assertTrue(figures.containsKey("rank.blocks.0.feed_forward.up"), figures.toString());
    assertFalse(figures.containsKey("rank.blocks.0.attention.qkv"));
    assertFalse(figures.containsKey("rank.blocks.0.attention.out"));
  }

  @Test
  void layersMayBeExcepted() {
    ToyRun.Result result =
        Form.PUFFERFISH
            .run("cuttlefish.layers=[\"blocks.*\"]", "cuttlefish.except=[\"*.attention.*\"]")
            .alone();
    assertEquals(4, figure(result, 11, "low_rank_layers"));
  }

  @ParameterizedTest
  @CsvSource({"mlp, 2", "vit, 8"})
  void classifiersOfImagesKeepTheirEndsWhole(String kind, double layers) {
    ToyRun.Result result =
        new ToyRun(
                new StripesTask(),
                "model.kind=" + kind,
                "model.patch=2",
                "model.hidden-layers=[32, 24]",
                "method.name=cuttlefish",
                "cuttlefish.rule=fixed",
                "train.steps=120",
                "train.batch=24")
            .alone();
    assertEquals(layers, figure(result, 119, "low_rank_layers"));
    assertTrue(result.losses().get(119) < 0.6, result.losses().toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cuttlefish.layers=[\"nothing.*\"] => cuttlefish.layers, cuttlefish.except: expected patterns that match a layer, got nothing.*",
        "cuttlefish.layers=[\"head\"] => got head",
        "cuttlefish.layers=[] => cuttlefish.layers: expected at least one pattern",
        "cuttlefish.ratio=0 => cuttlefish.ratio: expected a number in (0, 1], got 0",
        "cuttlefish.ratio=1.5 => cuttlefish.ratio: expected a number in (0, 1], got 1.5",
        "cuttlefish.switch-step=0 => cuttlefish.switch-step: expected 1 or more, below train.steps = 12",
        "cuttlefish.switch-step=12 => cuttlefish.switch-step: expected 1 or more, below train.steps = 12",
        "cuttlefish.batch-norm=true => cuttlefish.batch-norm: expected false for model.kind = transformer, which has no convolutions, got true",
        "cuttlefish.rule=svd => cuttlefish.rule: expected one of auto, paper, fixed, pufferfish, got svd",
        "method.name=uniform+cuttlefish => method.name: expected one of dense, moe, uniform"
      })
  void settingsWithoutMeaningAreRefused(String example) {
    String[] parts = example.split(" => ");
    String message =
        assertThrows(RuntimeException.class, () -> Form.PUFFERFISH.run(parts[0].split(" ")).alone())
            .getMessage();
    assertTrue(message.contains(parts[1]), message);
  }
}
