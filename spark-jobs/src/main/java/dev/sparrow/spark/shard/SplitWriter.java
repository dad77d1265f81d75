package dev.sparrow.spark.shard;

import java.io.IOException;
import java.io.Serializable;

/**
 * Takes the samples of one split that one task finds, and writes their rows. Closing drops a file
 * that was not completed.
 *
 * @param <S> a sample, as the source has it
 * @param <F> figures of the split that the manifest tells
 */
interface SplitWriter<S, F extends Serializable> extends AutoCloseable {
  void add(S sample) throws IOException;

  /** Completes the last file; a split without a full row has none. */
  PartitionResult.Part<F> finish() throws IOException;

  @Override
  void close() throws IOException;
}
