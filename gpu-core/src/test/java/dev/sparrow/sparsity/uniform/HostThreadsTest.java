package dev.sparrow.sparsity.uniform;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.PatternColumns;
import dev.sparrow.backend.SparsePatterns;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cpu.CpuBackend;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Patterns, their views and what is carried over: the same on every number of threads. */
class HostThreadsTest {
  private static final int ROWS = 516; // not a multiple of a task's rows
  private static final int COLUMNS = 1152;
  private static final int FAN_IN = 288;

  private final float[] weights = normal(11, ROWS * COLUMNS);

  /** Rounded, so that many are equal. */
  private static float[] normal(long seed, int size) {
    Random random = new Random(seed);
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = Math.round(random.nextGaussian() * 64) / 64f;
    }
    return values;
  }

  private static PatternFormat plain() {
    return new PatternFormat("layer", ROWS, COLUMNS, 1, COLUMNS, false);
  }

  private UniformPattern chosen(PatternFormat format, int threads) {
    try (CpuBackend backend = new CpuBackend(threads)) {
      return new PatternChoice(format, backend.hostLoop()).byMagnitude(weights, FAN_IN);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 5})
  void patternsOfEveryFormatAreTheSame(int threads) {
    for (PatternFormat format :
        new PatternFormat[] {
          plain(),
          new PatternFormat("layer", ROWS, COLUMNS, 4, COLUMNS, false),
          new PatternFormat("layer", ROWS, COLUMNS, 1, 128, false),
          new PatternFormat("layer", 2, ROWS, COLUMNS, 1, COLUMNS, true)
        }) {
      assertEquals(chosen(format, 1), chosen(format, threads), format.toString());
    }
  }

  /** By sorting each row on its own. */
  @Test
  void rowsOfAllTasksHoldTheirLargest() {
    UniformPattern pattern = chosen(plain(), 5);
    for (int row = 0; row < ROWS; row++) {
      int at = row * COLUMNS;
      Integer[] order = new Integer[COLUMNS];
      Arrays.setAll(order, c -> c);
      Arrays.sort(order, (a, b) -> Float.compare(magnitude(at + b), magnitude(at + a)));
      int[] expected =
          Arrays.stream(order).limit(FAN_IN).mapToInt(Integer::intValue).sorted().toArray();
      int[] got = Arrays.copyOfRange(pattern.indices(), row * FAN_IN, (row + 1) * FAN_IN);
      assertArrayEquals(expected, got, "row " + row);
    }
  }

  private float magnitude(int place) {
    return Math.abs(weights[place]) + 0f;
  }

  /** Rows off among those that stay, so that rows of values and of the matrix differ. */
  private static UniformPattern withRowsOff(UniformPattern pattern, int every) {
    int[] live = new int[ROWS];
    int[] indices = new int[ROWS * FAN_IN];
    int count = 0;
    for (int row = 0; row < ROWS; row++) {
      if (row % every != 1) {
        System.arraycopy(pattern.indices(), row * FAN_IN, indices, count * FAN_IN, FAN_IN);
        live[count++] = row;
      }
    }
    return plain()
        .pattern(FAN_IN, Arrays.copyOf(live, count), Arrays.copyOf(indices, count * FAN_IN));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5})
  void viewsAndCarriedNumbersAreThoseOfAPlainLoop(int threads) {
    UniformPattern last = withRowsOff(chosen(plain(), 1), 5);
    float[] others = normal(12, ROWS * COLUMNS);
    UniformPattern next =
        withRowsOff(new PatternChoice(plain(), HostLoop.INLINE).byMagnitude(others, FAN_IN), 7);
    try (CpuBackend backend = new CpuBackend(threads)) {
      HostLoop loop = backend.hostLoop();
      int[] places = next.places();
      float[] onLast = new float[weights.length];
      for (int place : last.places()) {
        onLast[place] = weights[place];
      }
      float[] expected = new float[places.length];
      for (int i = 0; i < places.length; i++) {
        expected[i] = onLast[places[i]];
      }
      float[] values = PatternCarry.toValues(loop, last).apply(weights);
      assertArrayEquals(onLast, PatternCarry.toMatrix(loop, last).apply(values));
      float[] carried = PatternCarry.betweenValues(loop, last, next).apply(values);
      assertArrayEquals(expected, carried);
      float[] onNext = new float[weights.length];
      for (int place : places) {
        onNext[place] = onLast[place];
      }
      assertArrayEquals(onNext, PatternCarry.toMatrix(loop, next).apply(carried));
      assertArrayEquals(SparsePatterns.maskWords(next), MaskBits.words(loop, next));
      requireColumns(next, PatternColumns.of(next, 2, loop));
    }
  }

  private static void requireColumns(UniformPattern pattern, PatternColumns columns) {
    int at = 0;
    int[] places = pattern.places();
    int matrixRows = ROWS / 2;
    for (int column = 0; column < 2 * COLUMNS; column++) {
      assertEquals(at, columns.starts()[column], "column " + column);
      int before = -1;
      for (; at < columns.starts()[column + 1]; at++) {
        int row = columns.rows()[at];
        int place = (column / COLUMNS * matrixRows + row) * COLUMNS + column % COLUMNS;
        assertEquals(place, places[columns.sources()[at]], "column " + column);
        assertEquals(true, row > before, "rows of column " + column);
        before = row;
      }
    }
    assertEquals(pattern.nonZeros(), at);
  }
}
