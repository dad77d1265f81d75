package dev.sparrow.spark.shard;

import dev.sparrow.data.BatchSource;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.tensor.HostInts;
import java.io.IOException;
import java.util.List;
import java.util.function.IntFunction;
import org.apache.hadoop.conf.Configuration;

/**
 * One rank's stripe of a split, once, in the order of the files: rank r of w reads the rows from
 * {@code rows·r/w} up to {@code rows·(r+1)/w}. The last batch may be smaller, and {@link #next}
 * returns null at the end; ranks may end after different numbers of batches.
 *
 * <p>Unlike in training, a position counts this rank's rows only; {@code restore(0)} starts again.
 */
public final class ArrowEvaluationReader implements BatchSource {
  private final ReaderSettings settings;
  private final ShardManifest manifest;
  private final ShardRows rows;
  private final List<TokenBatch> batches;
  private final long all;
  private final long first;
  private final long end;
  private PrefetchRing<TokenBatch> ring;
  private long position;

  /** With batches on the heap. */
  public ArrowEvaluationReader(Configuration hadoop, ReaderSettings settings, long most) {
    this(hadoop, settings, most, HostInts::onHeap);
  }

  /**
   * @param most rows of the split that are read, over all ranks: its first ones
   * @param memory of the batches, which rows are copied to straight from the files' mappings
   * @throws DataException when the shards are unfinished
   */
  public ArrowEvaluationReader(
      Configuration hadoop, ReaderSettings settings, long most, IntFunction<HostInts> memory) {
    ManifestStore store = new ManifestStore(hadoop, settings.shards());
    this.settings = settings;
    this.manifest = store.read();
    this.all = Math.min(most, manifest.part(settings.split()).rows());
    this.first = all * settings.rank() / settings.world();
    this.end = all * (settings.rank() + 1) / settings.world();
    try {
      this.rows = new ShardRows(hadoop, store, manifest, settings);
    } catch (IOException e) {
      throw new DataException(store.directory() + ": " + e.getMessage(), e);
    }
    this.batches = settings.batches(manifest.context(), memory);
    restore(0);
  }

  /** What is read: context, tokenizer and counts. */
  public ShardManifest manifest() {
    return manifest;
  }

  /** The next rows of the stripe, or null after the last. */
  @Override
  public TokenBatch next() {
    TokenBatch batch = ring.next();
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
    stop();
    this.position = position;
    ring =
        new PrefetchRing<>(
            "sparrow-evaluate-" + settings.rank(),
            batches,
            (batch, index) -> fill(batch, first + position + index * settings.microBatch()));
  }

  private boolean fill(TokenBatch batch, long from) throws IOException {
    int width = manifest.context() + 1;
    int count = (int) Math.min(settings.microBatch(), end - from);
    for (int b = 0; b < count; b++) {
      rows.copy(from + b, batch.tokens(), b * width);
    }
    batch.filled(Math.max(0, count), from);
    return count > 0;
  }

  private void stop() {
    if (ring != null) {
      ring.close();
      ring = null;
      rows.close();
    }
  }

  @Override
  public void close() {
    stop();
    batches.forEach(TokenBatch::close);
  }
}
