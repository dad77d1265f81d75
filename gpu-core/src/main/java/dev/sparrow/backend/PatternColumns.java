package dev.sparrow.backend;

/**
 * A {@link UniformPattern} by its columns: of each column the rows that hold a non-zero there, in
 * ascending order, and where their values lie. The pattern of stacked matrices has the columns of
 * each of them, one matrix after the other, with rows counted from the matrix's own first.
 *
 * @param starts (matrices · columns + 1), where a column begins in the others
 * @param rows (non-zeros) by column
 * @param sources (non-zeros) by column: which of the values it is
 */
public record PatternColumns(int[] starts, int[] rows, int[] sources) {
  /** Non-zeros of a task. */
  private static final int GRAIN = 1 << 17;

  /** Each task counts all columns: with more tasks than that they would do little else. */
  private static final int MOST_TASKS = 16;

  /** Of one matrix. */
  public static PatternColumns of(UniformPattern pattern) {
    return of(pattern, 1, HostLoop.INLINE);
  }

  /**
   * By a counting sort. Tasks take rows that follow each other, so each column's are ascending.
   *
   * @param matrices equal ones that the pattern's rows are
   */
  public static PatternColumns of(UniformPattern pattern, int matrices, HostLoop loop) {
    int matrixRows = pattern.rowsOfEach(matrices);
    int size = Math.toIntExact(pattern.nonZeros());
    int tasks = Math.max(1, Math.min(MOST_TASKS, size / GRAIN));
    int grain = Math.max(1, (pattern.liveRows() + tasks - 1) / tasks);
    int[][] next = new int[(pattern.liveRows() + grain - 1) / grain][];
    int columns = Math.multiplyExact(matrices, pattern.columns());
    loop.ranges(
        pattern.liveRows(),
        grain,
        (from, to) -> next[from / grain] = counts(pattern, matrixRows, columns, from, to));
    int[] starts = starts(next, columns);
    int[] rows = new int[size];
    int[] sources = new int[size];
    loop.ranges(
        pattern.liveRows(),
        grain,
        (from, to) -> fill(pattern, matrixRows, next[from / grain], from, to, rows, sources));
    return new PatternColumns(starts, rows, sources);
  }

  private static int[] counts(
      UniformPattern pattern, int matrixRows, int columns, int from, int to) {
    int[] counts = new int[columns];
    int[] indices = pattern.indices();
    for (int live = from; live < to; live++) {
      int first = pattern.row(live) / matrixRows * pattern.columns();
      int start = pattern.start(live);
      for (int i = start; i < start + pattern.fanIn(); i++) {
        counts[first + indices[i]]++;
      }
    }
    return counts;
  }

  /** Turns each task's counts into where its first row of each column goes. */
  private static int[] starts(int[][] next, int columns) {
    int[] starts = new int[columns + 1];
    int at = 0;
    for (int c = 0; c < columns; c++) {
      starts[c] = at;
      for (int[] task : next) {
        int count = task[c];
        task[c] = at;
        at += count;
      }
    }
    starts[columns] = at;
    return starts;
  }

  private static void fill(
      UniformPattern pattern,
      int matrixRows,
      int[] next,
      int from,
      int to,
      int[] rows,
      int[] sources) {
    int[] indices = pattern.indices();
    int fanIn = pattern.fanIn();
    for (int live = from; live < to; live++) {
      int row = pattern.row(live);
      int within = row % matrixRows;
      int start = pattern.start(live);
      int first = row / matrixRows * pattern.columns();
      for (int i = 0; i < fanIn; i++) {
        int at = next[first + indices[start + i]]++;
        rows[at] = within;
        sources[at] = live * fanIn + i;
      }
    }
  }
}
