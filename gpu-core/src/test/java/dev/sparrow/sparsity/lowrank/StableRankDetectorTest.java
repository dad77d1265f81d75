package dev.sparrow.sparsity.lowrank;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** On made-up series of stable ranks. */
class StableRankDetectorTest {
  /** Two thousandths of 130. */
  private static StableRankDetector relative() {
    return StableRankDetector.relative(0.002, layer -> 130);
  }

  /** Falls from 130 to 60, by a third of what is left every five measurements. */
  private static double decaying(int i) {
    return 60 + 70 * Math.exp(-i / 12.5);
  }

  /** The number of measurements after which it fires; -1: not in 300. */
  private static int fires(StableRankDetector detector, IntToDoubleFunction... layers) {
    for (int i = 0; i < 300; i++) {
      Map<String, Double> ranks = new TreeMap<>();
      for (int layer = 0; layer < layers.length; layer++) {
        ranks.put("layer" + layer, layers[layer].applyAsDouble(i));
      }
      detector.add(ranks, 1);
      if (detector.hasSettled()) {
        return i + 1;
      }
    }
    return -1;
  }

  @Test
  void aFlatSeriesFiresOnceTheWindowIsFull() {
    assertFalse(relative().hasSettled());
    assertEquals(5, fires(relative(), i -> 40));
    assertEquals(10, fires(StableRankDetector.absolute(0.1), i -> 40));
  }

  @Test
  void aSteadyFallNeverFires() {
    assertEquals(-1, fires(relative(), i -> 130 - 0.3 * i));
  }

  /**
   * The slope falls below 0.26 at 12.5·ln(70/(12.5·0.26)) = 38, below 0.1 at 50, half a window ago.
   */
  @Test
  void aDecayFiresWhereItsSlopeIsSmallEnough() {
    int relative = fires(relative(), StableRankDetectorTest::decaying);
    assertEquals(41, relative, 1);
    int absolute = fires(StableRankDetector.absolute(0.1), StableRankDetectorTest::decaying);
    assertEquals(56, absolute, 1);
  }

  @Test
  void theRelativeTestIsTheSameForLayersOfAllSizes() {
    int large = fires(relative(), StableRankDetectorTest::decaying);
    int small = fires(StableRankDetector.relative(0.002, layer -> 6.5), i -> decaying(i) / 20);
    assertEquals(large, small);
  }

  /** 0.3% of noise in each of twelve layers: fires, and not while the ranks still fall. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
  void noiseNeitherPutsItOffNorSetsItOffEarly(long seed) {
    IntToDoubleFunction[] layers = new IntToDoubleFunction[12];
    for (int layer = 0; layer < layers.length; layer++) {
      Random random = new Random(100 * seed + layer);
      layers[layer] = i -> decaying(i) * (1 + 0.003 * random.nextGaussian());
    }
    int fired = fires(relative(), layers);
    assertTrue(fired >= 32 && fired <= 55, "seed " + seed + ": after " + fired);
  }

  @Test
  void oneLayerThatStillMovesHoldsAllBack() {
    assertEquals(-1, fires(relative(), i -> 40, i -> 130 - 0.3 * i));
  }

  /** Measured twice an epoch, a fall of 0.09 a measurement is one of 0.18 an epoch. */
  @Test
  void slopesArePerUnit() {
    StableRankDetector fine = StableRankDetector.absolute(0.1);
    StableRankDetector twice = StableRankDetector.absolute(0.1);
    for (int i = 0; i < 12; i++) {
      fine.add(Map.of("layer", 50 - 0.09 * i), 1);
      twice.add(Map.of("layer", 50 - 0.09 * i), 0.5);
    }
    assertTrue(fine.hasSettled());
    assertFalse(twice.hasSettled());
  }

  @Test
  void slopesAreThoseOfLeastSquares() {
    assertEquals(2, StableRankDetector.slope(List.of(1.0, 3.0, 5.0, 7.0)), 1e-15);
    assertEquals(0.5, StableRankDetector.slope(List.of(0.0, 0.0, 1.0)), 1e-15);
  }

  @Test
  void aSeriesThatAnotherRuleSavedIsCutToTheWindow() {
    StableRankDetector paper = StableRankDetector.absolute(0.1);
    for (int i = 0; i < 10; i++) {
      paper.add(Map.of("layer0", 130 - 3.0 * i), 1);
    }
    StableRankDetector auto = relative();
    auto.restore(paper.state());
    assertEquals(5, fires(auto, i -> 60));
  }

  /** Stopped at any measurement, state saved and restored. */
  @Test
  void aRestoredDetectorGoesOnAlike() {
    int whole = fires(relative(), StableRankDetectorTest::decaying);
    for (int stop : new int[] {0, 1, 4, 20, whole - 1}) {
      StableRankDetector before = relative();
      for (int i = 0; i < stop; i++) {
        before.add(Map.of("layer0", decaying(i)), 1);
      }
      StableRankDetector after = relative();
      after.restore(before.state());
      assertEquals(before.newest(), after.newest());
      int fired = fires(after, i -> decaying(i + stop));
      assertEquals(whole, stop + fired, "stopped at " + stop);
    }
  }
}
