package dev.sparrow.spark.shard;

import dev.sparrow.data.TokenBatch;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.util.List;

/**
 * Rows of context + 1 tokens: the column {@code tokens}, FixedSizeList&lt;int32&gt;.
 *
 * @param context input tokens of a row
 */
record TokenRows(int context) implements RowFormat<int[]>, BatchFiller<TokenBatch> {
  private static final int TOKENS = 0;

  private int width() {
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

  @Override
  public TokenBatch allocate(int samples) {
    return new TokenBatch(samples, context);
  }

  @Override
  public void fill(MappedShard shard, long row, TokenBatch batch, int slot, long sample) {
    int start = shard.start(TOKENS, row) / Integer.BYTES;
    batch.tokens().put(slot * width(), shard.ints(), start, width());
  }
}
