package dev.sparrow.spark.shard;

import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.util.List;

/**
 * Rows of context + 1 tokens: the column {@code tokens}, FixedSizeList&lt;int32&gt;.
 *
 * @param context input tokens of a row
 */
record TokenRows(int context) implements RowFormat<int[]> {
  static final int TOKENS = 0;

  /** Tokens of a row. */
  int width() {
    return context + 1;
  }

  @Override
  public List<FixedColumn> columns() {
    return List.of(FixedColumn.list("tokens", FixedColumn.INT32, width()));
  }

  @Override
  public RowSink<int[]> sink(List<ByteBuffer> memory) {
    IntBuffer ids = memory.get(TOKENS).asIntBuffer();
    return (row, index) -> ids.put(index * width(), row, 0, width());
  }
}
