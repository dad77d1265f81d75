package dev.sparrow.spark.shard;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * What a task tells the driver.
 *
 * @param rows the partition had
 * @param nullDocuments skipped rows without content
 * @param emptyDocuments skipped rows of no tokens
 * @param otherDocuments skipped rows of neither split
 */
record PartitionResult(
    Part train,
    Part validation,
    long rows,
    long nullDocuments,
    long emptyDocuments,
    long otherDocuments)
    implements Serializable {

  /**
   * One split of a partition.
   *
   * @param files complete and named
   * @param tail at most context tokens that filled no row; the driver packs all tails together
   */
  record Part(ArrayList<ShardManifest.File> files, long documents, long tokens, int[] tail)
      implements Serializable {
    Part(List<ShardManifest.File> files, long documents, long tokens, int[] tail) {
      this(new ArrayList<>(files), documents, tokens, tail);
    }
  }

  Part part(Split split) {
    return split == Split.TRAIN ? train : validation;
  }
}
