package dev.sparrow.spark.shard;

import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchSource;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageTransform;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.tensor.HostInts;
import java.io.IOException;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.apache.hadoop.conf.Configuration;

/**
 * One rank's stripe of a split, once, in the order of the files: rank r of w reads the rows from
 * {@code rows·r/w} up to {@code rows·(r+1)/w}. The last batch may be smaller, and {@link #next}
 * returns null at the end; ranks may end after different numbers of batches.
 *
 * <p>Unlike in training, a position counts this rank's rows only; {@code restore(0)} starts again.
 */
public final class ArrowEvaluationReader<B extends Batch> implements BatchSource {
  private final ReaderSettings settings;
  private final ShardBatches<B> batches;
  private final long all;
  private final long first;
  private final long end;
  private long position;

  /** Of tokens, on the heap. */
  public static ArrowEvaluationReader<TokenBatch> tokens(
      Configuration hadoop, ReaderSettings settings, long most) {
    return tokens(hadoop, settings, most, HostInts::onHeap);
  }

  /**
   * Of tokens.
   *
   * @param most rows of the split that are read, over all ranks: its first ones
   * @param memory of the batches, which rows are copied to straight from the files' mappings
   * @throws DataException when the shards are unfinished
   */
  public static ArrowEvaluationReader<TokenBatch> tokens(
      Configuration hadoop, ReaderSettings settings, long most, IntFunction<HostInts> memory) {
    return new ArrowEvaluationReader<>(
        hadoop, settings, most, manifest -> new TokenFiller(manifest.tokens().rows(), memory));
  }

  /**
   * Of images, on the heap.
   *
   * @param most rows of the split that are read, over all ranks: its first ones
   * @param transform of each; one for each reader
   * @throws DataException when the shards are unfinished
   */
  public static ArrowEvaluationReader<ImageBatch> images(
      Configuration hadoop, ReaderSettings settings, long most, ImageTransform transform) {
    return new ArrowEvaluationReader<>(
        hadoop, settings, most, manifest -> new ImageFiller(manifest.images().rows(), transform));
  }

  private ArrowEvaluationReader(
      Configuration hadoop,
      ReaderSettings settings,
      long most,
      Function<ShardManifest, BatchFiller<B>> fillerOf) {
    this.settings = settings;
    this.batches = new ShardBatches<>(hadoop, settings, fillerOf);
    this.all = Math.min(most, batches.manifest().part(settings.split()).rows());
    this.first = all * settings.rank() / settings.world();
    this.end = all * (settings.rank() + 1) / settings.world();
    restore(0);
  }

  /** What is read. */
  public ShardManifest manifest() {
    return batches.manifest();
  }

  /** The next rows of the stripe, or null after the last. */
  @Override
  public B next() {
    B batch = batches.next();
    position += batch == null ? 0 : batch.samples();
    return batch;
  }

  /** Rows that all ranks read together. */
  @Override
  public long samplesPerEpoch() {
    return all;
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public void restore(long position) {
    if (position < 0 || position > end - first) {
      throw new DataException(
          "position: expected 0 to " + (end - first) + " rows of this rank, got " + position);
    }
    this.position = position;
    batches.fill(
        "evaluate",
        (batch, index) -> fill(batch, first + position + index * settings.microBatch()));
  }

  private boolean fill(B batch, long from) throws IOException {
    int count = (int) Math.min(settings.microBatch(), end - from);
    for (int b = 0; b < count; b++) {
      batches.rows().fill(from + b, batch, b, from + b);
    }
    batch.filled(Math.max(0, count), from);
    return count > 0;
  }

  @Override
  public void close() {
    batches.close();
  }
}
