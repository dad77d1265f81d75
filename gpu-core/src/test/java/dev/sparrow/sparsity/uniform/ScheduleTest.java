package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.Uniform;
import dev.sparrow.sparsity.LayerNames;
import dev.sparrow.tensor.Shape;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** When patterns change and how dense layers are then. */
class ScheduleTest {
  static Uniform settings(Uniform.Schedule schedule, int begin, int end, int every) {
    return new Uniform(
        schedule,
        0.9,
        Uniform.Distribution.UNIFORM,
        Uniform.Format.UNIFORM,
        4,
        128,
        List.of("*"),
        List.of(),
        begin,
        end,
        every,
        0.3,
        0,
        Uniform.Products.SPARSE);
  }

  private static long[] changes(Uniform settings, long steps) {
    PruningSchedule schedule = new PruningSchedule(settings, steps);
    return LongStream.rangeClosed(1, steps).filter(schedule::changesAfter).toArray();
  }

  @Test
  void gradualPruningFollowsTheCubicCurve() {
    PruningSchedule schedule =
        new PruningSchedule(settings(Uniform.Schedule.GRADUAL, 100, 500, 50), 1000);
    assertEquals(1, schedule.density(0.1, 100));
    // 1 - 0.9·(1 - 0.75³) and so on.
    assertEquals(0.4796875, schedule.density(0.1, 200), 1e-12);
    assertEquals(0.2125, schedule.density(0.1, 300), 1e-12);
    assertEquals(0.1140625, schedule.density(0.1, 400), 1e-12);
    assertEquals(0.1, schedule.density(0.1, 500), 1e-12);
    assertEquals(0.1, schedule.density(0.1, 900), 1e-12);
  }

  @Test
  void changesComeAtTheirSteps() {
    assertArrayEquals(
        new long[] {2, 5, 8, 9}, changes(settings(Uniform.Schedule.GRADUAL, 2, 9, 3), 20));
    assertArrayEquals(new long[] {4}, changes(settings(Uniform.Schedule.GRADUAL, 4, 4, 3), 20));
    assertArrayEquals(
        new long[] {1, 6, 11, 15}, changes(settings(Uniform.Schedule.GRADUAL, 0, 0, 5), 20));
    assertArrayEquals(new long[] {4, 8, 12}, changes(settings(Uniform.Schedule.RIGL, 0, 0, 4), 20));
    assertArrayEquals(new long[0], changes(settings(Uniform.Schedule.STATIC, 0, 0, 4), 20));
  }

  @Test
  void theDropFractionFallsByACosine() {
    PruningSchedule schedule =
        new PruningSchedule(settings(Uniform.Schedule.RIGL, 0, 400, 100), 1000);
    assertEquals(0.3, schedule.dropFraction(0), 1e-12);
    assertEquals(0.15, schedule.dropFraction(200), 1e-12);
    assertEquals(0, schedule.dropFraction(400), 1e-12);
  }

  @Test
  void erdosRenyiMakesLargeLayersSparserAtTheSameTotal() {
    List<Shape> layers = List.of(Shape.of(16, 16), Shape.of(512, 64), Shape.of(1024, 1024));
    double[] densities = LayerDensities.of(Uniform.Distribution.ERK, layers, 0.9);
    assertEquals(1, densities[0]);
    assertTrue(densities[1] > densities[2], densities[1] + " and " + densities[2]);
    double nonZeros = 0;
    double elements = 0;
    for (int i = 0; i < layers.size(); i++) {
      double size = layers.get(i).size();
      nonZeros += densities[i] * size;
      elements += size;
    }
    assertEquals(0.1, nonZeros / elements, 1e-12);
    assertEquals(
        (64.0 + 512) / (64 * 512) / ((1024.0 + 1024) / (1024 * 1024)),
        densities[1] / densities[2],
        1e-9);
    assertArrayEquals(
        new double[] {0.1, 0.1, 0.1},
        LayerDensities.of(Uniform.Distribution.UNIFORM, layers, 0.9),
        1e-12);
  }

  /** An expert is a matrix of its own: its density is that of a single one of its size. */
  @Test
  void erdosRenyiDoesNotAskHowManyExpertsThereAre() {
    Shape one = Shape.of(64, 512);
    Shape eight = Shape.of(8, 64, 512);
    double[] densities = LayerDensities.of(Uniform.Distribution.ERK, List.of(one, eight), 0.9);
    assertEquals(0.1, densities[0], 1e-12);
    assertEquals(0.1, densities[1], 1e-12);
    Shape large = Shape.of(1024, 1024);
    densities = LayerDensities.of(Uniform.Distribution.ERK, List.of(large, eight), 0.9);
    double nonZeros = densities[0] * large.size() + densities[1] * eight.size();
    assertEquals(0.1, nonZeros / (large.size() + eight.size()), 1e-12);
  }

  @Test
  void patternsOfNamesMustMatch() {
    LayerNames names =
        new LayerNames("uniform", List.of("blocks.*.up", "head"), List.of("blocks.0.*"));
    assertTrue(names.match("blocks.1.feed_forward.up"));
    assertTrue(!names.match("blocks.0.feed_forward.up"));
    assertTrue(!names.match("blocksX1.feed_forward.down"));
    String message =
        assertThrows(IllegalArgumentException.class, names::requireMatches).getMessage();
    assertTrue(
        message.contains("got head; the model's layers are blocks.1.feed_forward.up"), message);
  }
}
