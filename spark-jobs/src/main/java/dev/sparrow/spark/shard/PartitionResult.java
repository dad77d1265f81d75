package dev.sparrow.spark.shard;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a task tells the driver.
 *
 * @param refusal what is wrong with the input, or null. It is a result and not an error, since
 *     Spark would try the task again and find the same; nothing else is then set
 * @param rows the partition had
 * @param nullRows skipped, without content
 * @param emptyRows skipped, of empty content
 * @param otherRows skipped, of neither split
 */
record PartitionResult<F extends Serializable>(
    String refusal,
    Part<F> train,
    Part<F> validation,
    long rows,
    long nullRows,
    long emptyRows,
    long otherRows)
    implements Serializable {

  /**
   * One split of a partition, or of all.
   *
   * @param files complete and named
   * @param figures of the content
   */
  record Part<F extends Serializable>(ArrayList<ShardManifest.File> files, F figures)
      implements Serializable {
    Part(List<ShardManifest.File> files, F figures) {
      this(new ArrayList<>(files), figures);
    }

    /** Of all partitions: their files in their order, and then more. */
    static <F extends Serializable> Part<F> of(
        List<Part<F>> parts, List<ShardManifest.File> more, F figures) {
      Stream<ShardManifest.File> theirs = parts.stream().flatMap(part -> part.files().stream());
      return new Part<>(Stream.concat(theirs, more.stream()).toList(), figures);
    }
  }

  static <F extends Serializable> PartitionResult<F> refused(String refusal) {
    return new PartitionResult<>(refusal, null, null, 0, 0, 0, 0);
  }

  Part<F> part(Split split) {
    return split == Split.TRAIN ? train : validation;
  }
}
