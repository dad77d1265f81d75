package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;

/**
 * Chooses the columns of every group by scores: the largest of a group, or of each of its banks;
 * for the doubly uniform format with {@link ColumnPrices} taken off. Groups are the tasks of a
 * loop, each chosen by itself: the same whatever the number of threads.
 */
final class PatternChoice {
  /** Scores of a task: enough to hide the hand-over. */
  private static final int GRAIN = 1 << 16;

  private final PatternFormat format;
  private final HostLoop loop;

  PatternChoice(PatternFormat format, HostLoop loop) {
    this.format = format;
    this.loop = loop;
  }

  /** Fills a group's scores, (columns). */
  private interface GroupScores {
    void fill(int group, float[] scores);
  }

  /**
   * @param weights (rows, columns); their magnitudes count, of a group the root of the sum of
   *     squares
   * @throws IllegalStateException naming layer and element where a weight is not finite
   */
  UniformPattern byMagnitude(float[] weights, int fanIn) {
    return format.doubly()
        ? choose(scores(weights), fanIn)
        : largest(fanIn, (group, scores) -> groupScores(weights, group, scores, 0));
  }

  /**
   * @param scores (groups, columns), not negative
   */
  UniformPattern choose(float[] scores, int fanIn) {
    int columns = format.columns();
    if (format.doubly()) {
      ColumnPrices prices = new ColumnPrices(format, loop, scores, fanIn);
      return largest(fanIn, prices::taken);
    }
    return largest(
        fanIn, (group, own) -> System.arraycopy(scores, group * columns, own, 0, columns));
  }

  private UniformPattern largest(int fanIn, GroupScores scores) {
    int[] indices = new int[Math.multiplyExact(format.groups(), fanIn)];
    loop.ranges(
        format.groups(),
        grain(),
        (from, to) -> {
          TopColumns top = new TopColumns();
          float[] own = new float[format.columns()];
          for (int group = from; group < to; group++) {
            scores.fill(group, own);
            chooseBanks(top, own, fanIn, indices, group * fanIn);
          }
        });
    return format.pattern(fanIn, UniformPattern.allGroups(format.groups()), indices);
  }

  private void chooseBanks(TopColumns top, float[] scores, int fanIn, int[] indices, int to) {
    int perBank = fanIn / format.banks();
    for (int bank = 0; bank < format.banks(); bank++) {
      int first = bank * format.bankColumns();
      top.choose(scores, first, format.bankColumns(), perBank, first, indices, to + bank * perBank);
    }
  }

  /** Groups of a task. */
  private int grain() {
    return Math.max(1, GRAIN / format.columns());
  }

  /** (groups, columns) from (rows, columns). */
  float[] scores(float[] weights) {
    float[] scores = new float[format.groups() * format.columns()];
    loop.ranges(
        format.groups(),
        grain(),
        (from, to) -> {
          for (int group = from; group < to; group++) {
            groupScores(weights, group, scores, group * format.columns());
          }
        });
    return scores;
  }

  private void groupScores(float[] weights, int group, float[] scores, int to) {
    int columns = format.columns();
    int row = group * format.groupRows();
    if (format.groupRows() == 1) {
      copyMagnitudes(weights, row * columns, scores, to, columns);
    } else {
      Arrays.fill(scores, to, to + columns, 0);
      for (int r = row; r < row + format.groupRows(); r++) {
        addSquares(weights, r * columns, scores, to, columns);
      }
      roots(scores, to, columns);
    }
    for (int c = 0; c < columns; c++) {
      // Squares may pass what a float holds though the weights are finite.
      if (!Float.isFinite(scores[to + c])) {
        requireFinite(weights, row, c);
      }
    }
  }

  private static void copyMagnitudes(float[] weights, int from, float[] to, int t0, int count) {
    for (int i = 0; i < count; i++) {
      to[t0 + i] = Math.abs(weights[from + i]);
    }
  }

  private static void addSquares(float[] weights, int from, float[] to, int t0, int count) {
    for (int i = 0; i < count; i++) {
      to[t0 + i] += weights[from + i] * weights[from + i];
    }
  }

  private static void roots(float[] squares, int from, int count) {
    for (int i = from; i < from + count; i++) {
      squares[i] = (float) Math.sqrt(squares[i]);
    }
  }

  private void requireFinite(float[] weights, int firstRow, int column) {
    for (int row = firstRow; row < firstRow + format.groupRows(); row++) {
      requireFinite(weights[row * format.columns() + column], row, column);
    }
  }

  /** (liveGroups, fanIn) from the values of a pattern, (liveRows, fanIn). */
  float[] magnitudes(UniformPattern pattern, float[] values) {
    float[] magnitudes = new float[pattern.indices().length];
    loop.ranges(
        pattern.liveGroups(),
        grain(),
        (from, to) -> {
          for (int group = from; group < to; group++) {
            groupMagnitudes(pattern, values, group, magnitudes);
          }
        });
    return magnitudes;
  }

  private void groupMagnitudes(
      UniformPattern pattern, float[] values, int group, float[] magnitudes) {
    int to = group * pattern.fanIn();
    for (int r = 0; r < format.groupRows(); r++) {
      int live = group * format.groupRows() + r;
      for (int i = 0; i < pattern.fanIn(); i++) {
        float value = values[live * pattern.fanIn() + i];
        requireFinite(value, pattern.row(live), pattern.indices()[to + i]);
        magnitudes[to + i] += value * value;
      }
    }
    roots(magnitudes, to, pattern.fanIn());
  }

  private void requireFinite(float weight, int row, int column) {
    if (!Float.isFinite(weight)) {
      throw new IllegalStateException(
          "%s: expected finite weights and gradients to choose a pattern by, got %s in row %d, column %d; lower optimizer.learning-rate or set optimizer.clip-norm"
              .formatted(format.layer(), weight, row, column));
    }
  }
}
