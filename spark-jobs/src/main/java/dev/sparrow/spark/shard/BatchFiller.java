package dev.sparrow.spark.shard;

import dev.sparrow.data.Batch;
import java.util.List;

/** From rows of shard files to batches of one kind. One thread fills. */
interface BatchFiller<B extends Batch> {
  /** All columns of the files. */
  List<FixedColumn> columns();

  B allocate(int samples);

  /**
   * Writes a row to the batch.
   *
   * @param row of the file
   * @param slot of the batch
   * @param sample the row's number in the run's global order
   */
  void fill(MappedShard shard, long row, B batch, int slot, long sample);
}
