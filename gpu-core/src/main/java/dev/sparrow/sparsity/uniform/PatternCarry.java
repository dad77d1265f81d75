package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;
import java.util.function.UnaryOperator;

/**
 * How a weight's numbers, or those of its optimizer state, follow it to another pattern or form.
 * What both patterns have is kept; what the next one alone has is zero.
 */
final class PatternCarry {
  private PatternCarry() {}

  /** From the values of one pattern to those of another. */
  static UnaryOperator<float[]> betweenValues(UniformPattern last, UniformPattern next) {
    int[] sources = sources(last, next);
    return values -> gather(values, sources);
  }

  /** From a matrix, zero off the last pattern, to the values of the next. */
  static UnaryOperator<float[]> toValues(UniformPattern next) {
    int[] places = next.places();
    return matrix -> gather(matrix, places);
  }

  /** From the values of a pattern to their matrix. */
  static UnaryOperator<float[]> toMatrix(UniformPattern last) {
    int[] places = last.places();
    int size = last.rows() * last.columns();
    return values -> scatter(values, places, new float[size]);
  }

  /** From a matrix to the same, zero off the next pattern. */
  static UnaryOperator<float[]> withinMatrix(UniformPattern next) {
    int[] places = next.places();
    return matrix -> scatter(gather(matrix, places), places, new float[matrix.length]);
  }

  /** For each value of the next pattern its place in the last one's, or -1. */
  private static int[] sources(UniformPattern last, UniformPattern next) {
    int[] lastLive = new int[last.rows()];
    Arrays.fill(lastLive, -1);
    for (int live = 0; live < last.liveRows(); live++) {
      lastLive[last.row(live)] = live;
    }
    int[] sources = new int[Math.toIntExact(next.nonZeros())];
    for (int live = 0, at = 0; live < next.liveRows(); live++) {
      int old = lastLive[next.row(live)];
      int start = old < 0 ? 0 : last.start(old);
      for (int i = 0; i < next.fanIn(); i++, at++) {
        int column = next.indices()[next.start(live) + i];
        int found =
            old < 0 ? -1 : Arrays.binarySearch(last.indices(), start, start + last.fanIn(), column);
        sources[at] = found < 0 ? -1 : old * last.fanIn() + found - start;
      }
    }
    return sources;
  }

  /** {@code gathered_i = values[source_i]}, zero where that is negative. */
  static float[] gather(float[] values, int[] sources) {
    float[] gathered = new float[sources.length];
    for (int i = 0; i < sources.length; i++) {
      gathered[i] = sources[i] < 0 ? 0 : values[sources[i]];
    }
    return gathered;
  }

  /** {@code matrix[place_i] = values_i}; gives the matrix. */
  static float[] scatter(float[] values, int[] places, float[] matrix) {
    for (int i = 0; i < places.length; i++) {
      matrix[places[i]] = values[i];
    }
    return matrix;
  }
}
