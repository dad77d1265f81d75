package dev.sparrow.spark.shard;

import dev.sparrow.data.Batch;
import dev.sparrow.spark.data.DataException;
import java.io.IOException;
import java.util.List;
import java.util.function.Function;
import org.apache.hadoop.conf.Configuration;

/**
 * What readers of a split share, whatever their order: its rows, and batches that a thread of its
 * own fills from them ahead of the one in use. One thread uses it.
 */
final class ShardBatches<B extends Batch> implements AutoCloseable {
  private final ReaderSettings settings;
  private final ShardManifest manifest;
  private final BatchFiller<B> filler;
  private final ShardRows<B> rows;
  private List<B> batches; // null until there is an order
  private PrefetchRing<B> ring; // null while nothing is read

  /**
   * @param fillerOf what the shards hold
   * @throws DataException when the shards are unfinished, or hold something else
   */
  ShardBatches(
      Configuration hadoop,
      ReaderSettings settings,
      Function<ShardManifest, BatchFiller<B>> fillerOf) {
    ManifestStore store = new ManifestStore(hadoop, settings.shards());
    this.settings = settings;
    this.manifest = store.read();
    this.filler = fillerOf.apply(manifest);
    try {
      this.rows = new ShardRows<>(hadoop, store, manifest, settings, filler);
    } catch (IOException e) {
      throw new DataException(store.directory() + ": " + e.getMessage(), e);
    }
  }

  ShardManifest manifest() {
    return manifest;
  }

  /** For the thread that fills. */
  ShardRows<B> rows() {
    return rows;
  }

  /**
   * Starts to fill, anew where batches were filled before.
   *
   * @param purpose of the thread
   */
  void fill(String purpose, PrefetchRing.Filler<B> order) {
    stop();
    if (batches == null) {
      batches = settings.batches(filler);
    }
    ring = new PrefetchRing<>("sparrow-" + purpose + "-" + settings.rank(), batches, order);
  }

  /** See {@link PrefetchRing#next}. */
  B next() {
    return ring.next();
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
    if (batches != null) {
      batches.forEach(Batch::close);
    }
  }
}
