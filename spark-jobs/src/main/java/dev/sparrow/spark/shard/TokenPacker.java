package dev.sparrow.spark.shard;

import java.io.IOException;
import java.util.Arrays;

/**
 * Cuts one stream of tokens into rows of context + 1. Row i covers tokens {@code [i·context,
 * i·context + context]}: the last token of a row is the first of the next, so that every token but
 * the first of the stream is a target exactly once.
 */
final class TokenPacker {
  /** Takes a full row, which is reused after the call. */
  interface RowSink {
    void row(int[] tokens) throws IOException;
  }

  private final RowSink sink;
  private final int[] row;
  private int filled;
  private boolean overlaps;

  TokenPacker(int context, RowSink sink) {
    this.row = new int[context + 1];
    this.sink = sink;
  }

  void add(int[] tokens, int count) throws IOException {
    int taken = 0;
    while (taken < count) {
      int take = Math.min(count - taken, row.length - filled);
      System.arraycopy(tokens, taken, row, filled, take);
      filled += take;
      taken += take;
      if (filled == row.length) {
        endRow();
      }
    }
  }

  private void endRow() throws IOException {
    sink.row(row);
    row[0] = row[row.length - 1];
    filled = 1;
    overlaps = true;
  }

  /** Tokens after the last full row that have not been in any row; at most context of them. */
  int[] tail() {
    return Arrays.copyOfRange(row, overlaps ? 1 : 0, filled);
  }
}
