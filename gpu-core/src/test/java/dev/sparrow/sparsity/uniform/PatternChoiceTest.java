package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.config.Uniform;
import dev.sparrow.nn.LinearSpec;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PatternChoiceTest {
  private static PatternFormat plain(int rows, int columns) {
    return new PatternFormat("layer", rows, columns, 1, columns, false);
  }

  private static float[] normal(long seed, int size) {
    Random random = new Random(seed);
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  @Test
  void everyRowKeepsItsLargestMagnitudes() {
    float[] weights = {3, -4, 1, 2, 0.5f, -0.25f, 0.125f, -1};
    UniformPattern pattern =
        new PatternChoice(plain(2, 4), HostLoop.INLINE).byMagnitude(weights, 2);
    assertArrayEquals(new int[] {0, 1, 0, 3}, pattern.indices());
  }

  @Test
  void ofEqualMagnitudesTheLowerColumnsStay() {
    UniformPattern pattern =
        new PatternChoice(plain(1, 6), HostLoop.INLINE)
            .byMagnitude(new float[] {0, -1, 1, 1, -1, 0}, 3);
    assertArrayEquals(new int[] {1, 2, 3}, pattern.indices());
    UniformPattern zeros =
        new PatternChoice(plain(1, 4), HostLoop.INLINE).byMagnitude(new float[] {0, -0f, 0, 0}, 2);
    assertArrayEquals(new int[] {0, 1}, zeros.indices());
  }

  @Test
  void everyBankKeepsItsShare() {
    PatternFormat format = new PatternFormat("layer", 1, 6, 1, 3, false);
    UniformPattern pattern =
        new PatternChoice(format, HostLoop.INLINE).byMagnitude(new float[] {9, 8, 7, 1, 3, 2}, 2);
    assertArrayEquals(new int[] {0, 4}, pattern.indices());
  }

  @Test
  void rowsOfAGroupChooseByTheirSumOfSquares() {
    PatternFormat format = new PatternFormat("layer", 2, 3, 2, 3, false);
    UniformPattern pattern =
        new PatternChoice(format, HostLoop.INLINE)
            .byMagnitude(new float[] {3, 0, 2, 0, 3.5f, 3}, 2);
    assertArrayEquals(new int[] {1, 2}, pattern.indices());
    assertEquals(2, pattern.liveRows());
  }

  /** Of 1024 columns at fan-in 102 plain rows meet some 70 and others 130 times (research). */
  @Test
  void doublyUniformColumnsAreNearlyEven() {
    int size = 256;
    float[] weights = normal(5, size * size);
    int fanIn = 26;
    int[] plain =
        counts(new PatternChoice(plain(size, size), HostLoop.INLINE).byMagnitude(weights, fanIn));
    PatternFormat format = new PatternFormat("layer", size, size, 1, size, true);
    UniformPattern pattern = new PatternChoice(format, HostLoop.INLINE).byMagnitude(weights, fanIn);
    int[] doubly = counts(pattern);
    assertTrue(spread(plain) > 20, "plain columns: " + spread(plain));
    assertTrue(spread(doubly) <= 8, "doubly uniform columns: " + spread(doubly));
    double kept = energy(weights, pattern);
    double most =
        energy(
            weights,
            new PatternChoice(plain(size, size), HostLoop.INLINE).byMagnitude(weights, fanIn));
    assertTrue(kept > 0.97 * most, "retained energy " + kept + " of " + most);
  }

  /** Each expert's columns are priced by its own rows: as if it were alone. */
  @Test
  void doublyUniformExpertsAreChosenOneByOne() {
    int out = 32;
    int in = 48;
    float[] both = normal(6, 2 * out * in);
    UniformPattern stacked =
        new PatternChoice(new PatternFormat("layer", 2, 2 * out, in, 1, in, true), HostLoop.INLINE)
            .byMagnitude(both, 6);
    PatternFormat one = new PatternFormat("layer", out, in, 1, in, true);
    for (int e = 0; e < 2; e++) {
      float[] own = Arrays.copyOfRange(both, e * out * in, (e + 1) * out * in);
      assertArrayEquals(
          new PatternChoice(one, HostLoop.INLINE).byMagnitude(own, 6).indices(),
          Arrays.copyOfRange(stacked.indices(), e * out * 6, (e + 1) * out * 6));
    }
  }

  private static int[] counts(UniformPattern pattern) {
    int[] counts = new int[pattern.columns()];
    Arrays.stream(pattern.indices()).forEach(c -> counts[c]++);
    return counts;
  }

  private static int spread(int[] counts) {
    return Arrays.stream(counts).max().orElseThrow() - Arrays.stream(counts).min().orElseThrow();
  }

  private static double energy(float[] weights, UniformPattern pattern) {
    double sum = 0;
    for (int row = 0; row < pattern.rows(); row++) {
      for (int i = 0; i < pattern.fanIn(); i++) {
        float w = weights[row * pattern.columns() + pattern.indices()[pattern.start(row) + i]];
        sum += w * w;
      }
    }
    return sum;
  }

  /** As if the values lay in the matrix, group by group. */
  @Test
  void magnitudesOfValuesAreThoseOfTheMatrix() {
    PatternFormat format = new PatternFormat("layer", 6, 3, 2, 3, false);
    UniformPattern pattern = format.pattern(2, new int[] {0, 2}, new int[] {0, 2, 1, 2});
    float[] values = {3, 1, 4, 0, 0, -5, 2, -12};
    assertArrayEquals(
        new float[] {5, 1, 2, 13},
        new PatternChoice(format, HostLoop.INLINE).magnitudes(pattern, values));
  }

  @Test
  void weightsThatAreNotFiniteAreNamed() {
    float[] weights = {1, 2, Float.NaN, 4};
    String message =
        assertThrows(
                IllegalStateException.class,
                () -> new PatternChoice(plain(2, 2), HostLoop.INLINE).byMagnitude(weights, 1))
            .getMessage();
    assertTrue(message.startsWith("layer: expected finite weights"), message);
    assertTrue(message.contains("NaN in row 1, column 0"), message);
  }

  @Test
  void aMatrixPastWhatTheHostChoosesFromIsNamed() {
    Uniform settings = ScheduleTest.settings(Uniform.Schedule.STATIC, 0, 0, 1);
    LinearSpec square = new LinearSpec("layer", 65_536, 65_536, 1);
    String message =
        assertThrows(IllegalArgumentException.class, () -> PatternFormat.of(settings, square, 1))
            .getMessage();
    assertTrue(message.startsWith("layer: expected a matrix of at most 2147483647"), message);
  }

  @Test
  void aLayerThatWouldBeEmptyIsNamed() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> plain(4, 20).fanIn(0.02)).getMessage();
    assertTrue(message.startsWith("layer: expected a sparsity that leaves each row"), message);
    assertTrue(message.contains("got 0.9800 with 20 columns"), message);
    assertEquals(20, plain(4, 20).fanIn(1));
    assertEquals(1, plain(4, 20).fanIn(0.03));
    assertEquals(8, new PatternFormat("layer", 4, 64, 1, 16, false).fanIn(0.1));
  }
}
