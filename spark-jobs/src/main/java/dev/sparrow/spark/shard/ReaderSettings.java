package dev.sparrow.spark.shard;

import dev.sparrow.data.Batch;
import dev.sparrow.spark.data.DataException;
import java.util.ArrayList;
import java.util.List;

/**
 * One rank's view of a split.
 *
 * @param shards the shard directory, or its manifest.json
 * @param split train or validation
 * @param seed of the order
 * @param world number of ranks
 * @param rank of this reader, from 0
 * @param microBatch rows of a batch
 * @param accumulation micro-batches of a step, per rank
 * @param shuffle each epoch in its own order; else in the order of the files
 * @param cacheDirectory local directory that keeps copies of the files, shared by all ranks of the
 *     host; null: files of the local file system are read where they are, others are copied under
 *     the JVM's temporary directory
 * @param prefetchDepth batches filled ahead of the one in use, at least 2; see {@link #batches}
 */
public record ReaderSettings(
    String shards,
    Split split,
    long seed,
    int world,
    int rank,
    int microBatch,
    int accumulation,
    boolean shuffle,
    String cacheDirectory,
    int prefetchDepth) {

  public ReaderSettings {
    if (rank < 0 || rank >= world) {
      throw new DataException("rank: expected 0 to " + (world - 1) + ", got " + rank);
    }
    if (microBatch < 1 || accumulation < 1) {
      throw new DataException(
          "micro-batch and accumulation: expected at least 1, got "
              + microBatch
              + " and "
              + accumulation);
    }
    if (prefetchDepth < 2) {
      throw new DataException("prefetch depth: expected at least 2 batches, got " + prefetchDepth);
    }
  }

  /** Shuffled training rows of one rank, two batches ahead, no cache directory. */
  public static ReaderSettings training(
      String shards, long seed, int world, int rank, int microBatch, int accumulation) {
    return new ReaderSettings(
        shards, Split.TRAIN, seed, world, rank, microBatch, accumulation, true, null, 2);
  }

  /** The validation rows of one rank, in order. */
  public static ReaderSettings evaluation(String shards, int world, int rank, int microBatch) {
    return new ReaderSettings(
        shards, Split.VALIDATION, 0, world, rank, microBatch, 1, false, null, 2);
  }

  public ReaderSettings withCacheDirectory(String directory) {
    return new ReaderSettings(
        shards,
        split,
        seed,
        world,
        rank,
        microBatch,
        accumulation,
        shuffle,
        directory,
        prefetchDepth);
  }

  /**
   * The batches that go round: one in use and those filled ahead; and half of a step's, each of
   * which goes round twice before a device has to have read it, so that the host queues a whole
   * step ahead of the device.
   */
  <B extends Batch> List<B> batches(BatchFiller<B> filler) {
    int count = Math.max(1 + prefetchDepth, (accumulation + 1) / 2);
    List<B> batches = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      batches.add(filler.allocate(microBatch));
    }
    return batches;
  }

  /** Rows that all ranks take in one step. */
  long globalBatch() {
    return (long) world * microBatch * accumulation;
  }
}
