package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.LocalCollective;
import dev.sparrow.config.Uniform.Products;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Workspace;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which form a layer takes, by times that are made up here. */
class ProductChoiceTest {
  private static final int IN = 100;
  private static final int ROWS = 6;

  private final Backend backend = new CpuBackend(1);
  private final Collective alone = new LocalCollective();
  private final Workspace workspace = new Workspace(backend);
  private final List<String> asked = new ArrayList<>();
  private final List<String> log = new ArrayList<>();
  private long wholeNanos = 40_000;

  @AfterEach
  void close() {
    workspace.close();
    backend.close();
  }

  /**
   * Sparse products take a microsecond for each weight of a row, whole ones {@link #wholeNanos}.
   */
  private ProductTimes time(UniformPattern pattern, int matrices, int rows) {
    String stack = matrices == 1 ? "" : " of " + matrices + " experts";
    asked.add(pattern.rows() + "x" + pattern.fanIn() + stack + " by " + rows);
    return new ProductTimes(1000L * pattern.fanIn(), wholeNanos);
  }

  private ProductChoice choice(Products products) {
    return new ProductChoice(products, this::time, log::add);
  }

  private SparsifiedLinearWeight layer(int out) {
    LinearSpec spec = new LinearSpec("layer" + out, IN, out, 1);
    PatternFormat format = new PatternFormat(spec.name(), out, IN, 1, IN, false);
    SparsifiedLinearWeight weight = new SparsifiedLinearWeight(backend, spec, format);
    weight.reserve(workspace, ROWS);
    return weight;
  }

  /** Two experts of so many rows together. */
  private SparsifiedGroupedWeight experts(int rows) {
    LinearSpec spec = new LinearSpec("experts" + rows, IN, rows / 2, 1);
    PatternFormat format = new PatternFormat(spec.name(), 2, rows, IN, 1, IN, false);
    SparsifiedGroupedWeight weight = new SparsifiedGroupedWeight(backend, spec, format);
    weight.reserve(workspace, ROWS);
    return weight;
  }

  private static PatternUpdate update(SparsifiedWeight weight, int fanIn) {
    PatternFormat format = weight.format();
    float[] scores = new float[format.rows() * IN];
    return new PatternUpdate(
        weight, new PatternChoice(format, HostLoop.INLINE).choose(scores, fanIn));
  }

  /** Chooses, and brings the weight into its new form. */
  private boolean step(ProductChoice choice, SparsifiedWeight weight, int fanIn) {
    PatternUpdate update = update(weight, fanIn);
    boolean sparse = choice.sparse(List.of(update), alone).get(0);
    weight.change(update.next(), sparse);
    return sparse;
  }

  @Test
  void theFasterFormIsTakenAndToldOnceForEqualLayers() {
    ProductChoice choice = choice(Products.TIMED);
    List<PatternUpdate> updates =
        List.of(
            update(layer(4), 50),
            update(layer(4), 30),
            update(layer(8), 30),
            update(layer(4), 50),
            update(layer(4), 30));
    BitSet sparse = choice.sparse(updates, alone);
    assertEquals("{1, 2, 4}", sparse.toString());
    assertEquals(List.of("4x50 by 6", "4x30 by 6", "8x30 by 6"), asked);
    asked.clear();
    assertEquals("{1, 2, 4}", choice.sparse(updates, alone).toString());
    assertEquals(List.of(), asked);
    assertEquals(
        List.of(
            "layers like layer4, 6 rows of 100 at a time: 0.050 ms by the non-zeros (50 of 100 in each of 4 rows), 0.040 ms as a whole matrix; multiplied whole",
            "layers like layer4, 6 rows of 100 at a time: 0.030 ms by the non-zeros (30 of 100 in each of 4 rows), 0.040 ms as a whole matrix; multiplied by the non-zeros",
            "layers like layer8, 6 rows of 100 at a time: 0.030 ms by the non-zeros (30 of 100 in each of 8 rows), 0.040 ms as a whole matrix; multiplied by the non-zeros"),
        log);
  }

  /** Also where a matrix of its own has as many rows. */
  @Test
  void expertsAreTimedOnTheirOwn() {
    ProductChoice choice = choice(Products.TIMED);
    List<PatternUpdate> updates =
        List.of(update(layer(4), 50), update(experts(4), 30), update(experts(4), 30));
    assertEquals("{1, 2}", choice.sparse(updates, alone).toString());
    assertEquals(List.of("4x50 by 6", "4x30 of 2 experts by 6"), asked);
  }

  /** Of 60 µs against 40 µs: not before 44 of 100, a tenth above where both would be even. */
  @Test
  void aMaskedLayerIsTimedAgainOnceItsFanInCouldMakeUpForWhatWasLost() {
    ProductChoice choice = choice(Products.TIMED);
    SparsifiedWeight weight = layer(4);
    assertTrue(!step(choice, weight, 60));
    assertTrue(!step(choice, weight, 54));
    assertTrue(!step(choice, weight, 45));
    assertEquals(List.of("4x60 by 6"), asked);
    assertTrue(!step(choice, weight, 43));
    assertTrue(!step(choice, weight, 39)); // a tenth below 43 at the latest
    assertTrue(step(choice, weight, 38));
    assertEquals(List.of("4x60 by 6", "4x43 by 6", "4x38 by 6"), asked);
  }

  /** A timing that was disturbed is not believed for long. */
  @Test
  void aMaskedLayerIsTimedAgainAtHalfItsFanInHoweverMuchWasLost() {
    ProductChoice choice = choice(Products.TIMED);
    SparsifiedWeight weight = layer(4);
    wholeNanos = 1;
    assertTrue(!step(choice, weight, 80));
    wholeNanos = 42_000;
    assertTrue(!step(choice, weight, 41));
    assertTrue(step(choice, weight, 40));
    assertEquals(List.of("4x80 by 6", "4x40 by 6"), asked);
  }

  @Test
  void aLayerWithHardlyAZeroIsMultipliedWholeWithoutTimes() {
    wholeNanos = Long.MAX_VALUE;
    ProductChoice choice = choice(Products.TIMED);
    assertTrue(!step(choice, layer(4), 91));
    assertEquals(List.of(), asked);
    assertTrue(step(choice, layer(4), 90));
  }

  /** However the times would turn out, unless its rows hold more than they did. */
  @Test
  void aSparseLayerStaysSparseUnlessItsFanInGrows() {
    ProductChoice choice = choice(Products.TIMED);
    SparsifiedWeight weight = layer(4);
    assertTrue(step(choice, weight, 38));
    wholeNanos = 1;
    assertTrue(step(choice, weight, 20));
    assertTrue(step(choice, weight, 39));
    assertEquals(1, asked.size());
    assertTrue(!step(choice, weight, 40));
    assertEquals(List.of("4x38 by 6", "4x40 by 6"), asked);
  }

  /** A twentieth is what times waver by. */
  @Test
  void whatIsFasterByHardlyAnythingIsMultipliedWhole() {
    wholeNanos = 52_400;
    assertTrue(!step(choice(Products.TIMED), layer(4), 50));
    wholeNanos = 52_500;
    assertTrue(step(choice(Products.TIMED), layer(4), 50));
  }

  /** Rows that are switched off leave their weights to the others: as many as before. */
  @Test
  void aLayerWhoseRowsAreSwitchedOffKeepsItsForm() {
    ProductChoice choice = choice(Products.TIMED);
    SparsifiedWeight weight = layer(4);
    assertTrue(step(choice, weight, 30));
    int[] columns = IntStream.range(0, 120).map(i -> i % 60).toArray();
    UniformPattern two = weight.format().pattern(60, new int[] {0, 2}, columns);
    assertEquals("{0}", choice.sparse(List.of(new PatternUpdate(weight, two)), alone).toString());
    assertEquals(1, asked.size());
  }

  @Test
  void aLayerThatIsKeptIsNotTimedUntilItNarrows() {
    SparsifiedWeight weight = layer(4);
    weight.begin(update(weight, 30).next(), false);
    ProductChoice choice = choice(Products.TIMED);
    choice.keep(weight);
    assertTrue(!step(choice, weight, 28));
    assertEquals(List.of(), asked);
    assertTrue(step(choice, weight, 27));
  }

  @Test
  void aSettingDecidesWithoutTimes() {
    List<PatternUpdate> updates = List.of(update(layer(4), 50), update(layer(4), 10));
    assertEquals("{0, 1}", choice(Products.SPARSE).sparse(updates, alone).toString());
    assertEquals("{}", choice(Products.DENSE).sparse(updates, alone).toString());
    assertEquals(List.of(), asked);
  }

  @Test
  void anUnstructuredLayerIsMultipliedWhole() {
    LinearSpec spec = new LinearSpec("layer", IN, 4, 1);
    PatternFormat format = new PatternFormat("layer", 1, 4 * IN, 1, 4 * IN, false);
    SparsifiedWeight weight = new SparsifiedLinearWeight(backend, spec, format);
    UniformPattern pattern = format.pattern(1, new int[] {0}, new int[] {7});
    PatternUpdate update = new PatternUpdate(weight, pattern);
    assertEquals("{}", choice(Products.TIMED).sparse(List.of(update), alone).toString());
    assertEquals(List.of(), asked);
  }

  /** What it measures is the machine's business; it must leave nothing behind. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void bothFormsAreReallyRun(int matrices) {
    requireTimes(backend, matrices);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void bothFormsAreReallyRunOnAGpu(int matrices) {
    try (Backend gpu = TestGpu.open()) {
      requireTimes(gpu, matrices);
    }
  }

  private void requireTimes(Backend device, int matrices) {
    UniformPattern pattern = update(layer(4), 10).next();
    TimedProducts timed = new TimedProducts(device);
    timed.time(pattern, matrices, ROWS); // ops grow memory of their own at first
    long before = device.allocatedBytes();
    ProductTimes times = timed.time(pattern, matrices, ROWS);
    assertTrue(times.sparseNanos() > 0 && times.wholeNanos() > 0, times.toString());
    assertEquals(before, device.allocatedBytes());
  }
}
