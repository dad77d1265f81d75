package dev.sparrow.spark.shard;

import dev.sparrow.data.TokenBatch;
import dev.sparrow.tensor.HostInts;
import java.util.List;
import java.util.function.IntFunction;

/**
 * Tokens from shard files, copied as they are.
 *
 * @param memory of the batches
 */
record TokenFiller(TokenRows rows, IntFunction<HostInts> memory)
    implements BatchFiller<TokenBatch> {
  @Override
  public List<FixedColumn> columns() {
    return rows.columns();
  }

  @Override
  public TokenBatch allocate(int samples) {
    return new TokenBatch(samples, rows.context(), memory);
  }

  @Override
  public void fill(MappedShard shard, long row, TokenBatch batch, int slot, long sample) {
    int start = shard.start(TokenRows.TOKENS, row) / Integer.BYTES;
    batch.tokens().put(slot * rows.width(), shard.ints(), start, rows.width());
  }
}
