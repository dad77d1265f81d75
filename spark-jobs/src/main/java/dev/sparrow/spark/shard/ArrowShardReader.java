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
 * One rank's training batches from a shard directory. The row of every sample is computed from its
 * number, so that continuing at a position replays nothing and opens only the files of the next
 * rows. A thread of its own copies, verifies and reads ahead; its errors arrive in {@link #next}.
 *
 * <p>Any position can be restored, also one that is no multiple of a new global batch.
 */
public final class ArrowShardReader<B extends Batch> implements BatchSource {
  private final ReaderSettings settings;
  private final ShardBatches<B> batches;
  private final long samplesPerEpoch;
  private long start;
  private long taken;

  /** Of tokens, on the heap. */
  public static ArrowShardReader<TokenBatch> tokens(Configuration hadoop, ReaderSettings settings) {
    return tokens(hadoop, settings, HostInts::onHeap);
  }

  /**
   * Of tokens.
   *
   * @param memory of the batches, which rows are copied to straight from the files' mappings
   * @throws DataException when the shards are unfinished or hold less than a global batch
   */
  public static ArrowShardReader<TokenBatch> tokens(
      Configuration hadoop, ReaderSettings settings, IntFunction<HostInts> memory) {
    return new ArrowShardReader<>(
        hadoop, settings, manifest -> new TokenFiller(manifest.tokens().rows(), memory));
  }

  /**
   * Of images, on the heap.
   *
   * @param transform of each; one for each reader
   * @throws DataException when the shards are unfinished or hold less than a global batch
   */
  public static ArrowShardReader<ImageBatch> images(
      Configuration hadoop, ReaderSettings settings, ImageTransform transform) {
    return new ArrowShardReader<>(
        hadoop, settings, manifest -> new ImageFiller(manifest.images().rows(), transform));
  }

  private ArrowShardReader(
      Configuration hadoop,
      ReaderSettings settings,
      Function<ShardManifest, BatchFiller<B>> fillerOf) {
    this.settings = settings;
    this.batches = new ShardBatches<>(hadoop, settings, fillerOf);
    this.samplesPerEpoch = order().samplesPerEpoch();
    restore(0);
  }

  private SampleOrder order() {
    long available = batches.manifest().part(settings.split()).rows();
    return new SampleOrder(available, settings.globalBatch(), settings.seed(), settings.shuffle());
  }

  /** What is read. */
  public ShardManifest manifest() {
    return batches.manifest();
  }

  @Override
  public B next() {
    B batch = batches.next();
    taken++;
    return batch;
  }

  @Override
  public long samplesPerEpoch() {
    return samplesPerEpoch;
  }

  @Override
  public long position() {
    return start + taken / settings.accumulation() * settings.globalBatch();
  }

  @Override
  public void restore(long position) {
    if (position < 0) {
      throw new DataException("position: expected at least 0, got " + position);
    }
    start = position;
    taken = 0;
    SampleOrder order = order();
    batches.fill("prefetch", (batch, index) -> fill(batch, position + firstSample(index), order));
  }

  /** Of this rank's micro-batch number index since the start, relative to the start. */
  private long firstSample(long index) {
    long globalBatch = index / settings.accumulation();
    long i = index % settings.accumulation();
    return globalBatch * settings.globalBatch()
        + (i * settings.world() + settings.rank()) * settings.microBatch();
  }

  private boolean fill(B batch, long firstSample, SampleOrder order) throws IOException {
    for (int b = 0; b < settings.microBatch(); b++) {
      batches.rows().fill(order.row(firstSample + b), batch, b, firstSample + b);
    }
    batch.filled(settings.microBatch(), firstSample);
    return true;
  }

  @Override
  public void close() {
    batches.close();
  }
}
