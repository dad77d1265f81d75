package dev.sparrow.spark.shard;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * What a task tells the driver.
 *
 * @param refusal what is wrong with the input, or null. It is a result and not an error, since
 *     Spark would try the task again and find the same; nothing else is then set
 * @param rows the partition had
 * @param nullDocuments skipped rows without content
 * @param emptyDocuments skipped rows of no tokens
 * @param otherDocuments skipped rows of neither split
 */
record PartitionResult(
    String refusal,
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

  static PartitionResult refused(String refusal) {
    return new PartitionResult(refusal, null, null, 0, 0, 0, 0);
  }

  Part part(Split split) {
    return split == Split.TRAIN ? train : validation;
  }
}
