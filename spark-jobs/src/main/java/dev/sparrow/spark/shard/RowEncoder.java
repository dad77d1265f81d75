package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import java.io.Serializable;
import org.apache.spark.sql.catalyst.InternalRow;

/**
 * The tasks' side of sharding one kind of content: from a row of the source to rows of files. Sent
 * to every executor.
 *
 * @param <S> a sample, as the source has it
 * @param <F> figures of a split that the manifest tells
 */
interface RowEncoder<S, F extends Serializable> extends Serializable {
  /** Leading columns of a row that a sample is made of; a row where one is null is skipped. */
  int columns();

  /** Ids that are counted: the vocabulary's, or classes. */
  int ids();

  /**
   * The sample of a row; null where it is empty and to be skipped.
   *
   * @throws DataException where it cannot be used; names the column, not the row
   */
  S read(InternalRow row);

  /** Hash of the content, independent of where the row lies. */
  long hash(InternalRow row, S sample, long seed);

  /**
   * @param counts of ids in the split, to be counted up
   */
  SplitWriter<S, F> writer(ShardFiles.Target target, long[] counts);
}
