package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;
import java.util.function.UnaryOperator;

/**
 * How a weight's numbers, or those of its optimizer state, follow it to another pattern or form.
 * What both patterns have is kept; what the next one alone has is zero.
 */
final class PatternCarry {
  /** Numbers of a task: enough to hide the hand-over. */
  private static final int GRAIN = 1 << 16;

  private PatternCarry() {}

  /** From the values of one pattern to those of another. */
  static UnaryOperator<float[]> betweenValues(
      HostLoop loop, UniformPattern last, UniformPattern next) {
    int[] sources = sources(loop, last, next);
    return values -> gather(loop, values, sources);
  }

  /** From a matrix, zero off the last pattern, to the values of the next. */
  static UnaryOperator<float[]> toValues(HostLoop loop, UniformPattern next) {
    return matrix -> {
      float[] values = new float[Math.toIntExact(next.nonZeros())];
      overRows(loop, next, live -> gatherRow(matrix, next, live, values));
      return values;
    };
  }

  /** From the values of a pattern to their matrix. */
  static UnaryOperator<float[]> toMatrix(HostLoop loop, UniformPattern last) {
    return values -> {
      float[] matrix = new float[last.rows() * last.columns()];
      scatter(loop, values, last, matrix);
      return matrix;
    };
  }

  /** {@code matrix[place_i] = values_i}. */
  static void scatter(HostLoop loop, float[] values, UniformPattern pattern, float[] matrix) {
    overRows(loop, pattern, live -> scatterRow(values, pattern, live, matrix));
  }

  /** Calls with the number of each row of the values. */
  private interface Row {
    void run(int live);
  }

  private static void overRows(HostLoop loop, UniformPattern pattern, Row body) {
    loop.ranges(
        pattern.liveRows(),
        Math.max(1, GRAIN / pattern.fanIn()),
        (from, to) -> {
          for (int live = from; live < to; live++) {
            body.run(live);
          }
        });
  }

  private static void gatherRow(float[] matrix, UniformPattern p, int live, float[] values) {
    int[] indices = p.indices();
    int row = p.row(live) * p.columns();
    int start = p.start(live);
    int to = live * p.fanIn();
    for (int i = 0; i < p.fanIn(); i++) {
      values[to + i] = matrix[row + indices[start + i]];
    }
  }

  private static void scatterRow(float[] values, UniformPattern p, int live, float[] matrix) {
    int[] indices = p.indices();
    int row = p.row(live) * p.columns();
    int start = p.start(live);
    int from = live * p.fanIn();
    for (int i = 0; i < p.fanIn(); i++) {
      matrix[row + indices[start + i]] = values[from + i];
    }
  }

  /** For each value of the next pattern its place in the last one's, or -1. */
  private static int[] sources(HostLoop loop, UniformPattern last, UniformPattern next) {
    int[] lastLive = new int[last.rows()];
    Arrays.fill(lastLive, -1);
    for (int live = 0; live < last.liveRows(); live++) {
      lastLive[last.row(live)] = live;
    }
    int[] sources = new int[Math.toIntExact(next.nonZeros())];
    overRows(loop, next, live -> rowSources(last, lastLive[next.row(live)], next, live, sources));
    return sources;
  }

  /** Walks both rows' columns, which rise, at once. */
  private static void rowSources(
      UniformPattern last, int old, UniformPattern next, int live, int[] sources) {
    int to = live * next.fanIn();
    if (old < 0) {
      Arrays.fill(sources, to, to + next.fanIn(), -1);
      return;
    }
    int[] lastColumns = last.indices();
    int[] nextColumns = next.indices();
    int from = last.start(old);
    int end = from + last.fanIn();
    int shift = old * last.fanIn() - from;
    int start = next.start(live);
    for (int i = 0, at = from; i < next.fanIn(); i++) {
      int column = nextColumns[start + i];
      while (at < end && lastColumns[at] < column) {
        at++;
      }
      sources[to + i] = at < end && lastColumns[at] == column ? at + shift : -1;
    }
  }

  /** {@code gathered_i = values[source_i]}, zero where that is negative. */
  private static float[] gather(HostLoop loop, float[] values, int[] sources) {
    float[] gathered = new float[sources.length];
    loop.ranges(
        sources.length,
        GRAIN,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            gathered[i] = sources[i] < 0 ? 0 : values[sources[i]];
          }
        });
    return gathered;
  }
}
