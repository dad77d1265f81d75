package dev.sparrow.spark.shard;

import java.io.IOException;
import java.io.Serializable;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * The driver's side of sharding one kind of content from one source.
 *
 * @param <E> what tasks do
 * @param <S> a sample, as the source has it
 * @param <F> figures of a split
 */
interface ShardKind<E extends RowEncoder<S, F>, S, F extends Serializable> {
  /** Columns of the source that a sample is made of, in the order in which tasks get them. */
  List<String> columns();

  /**
   * @param schema of the source
   */
  void checkColumns(StructType schema);

  /** All facts that decide files besides where the source is and how it is read. */
  List<Object> identity(ShardSettings settings);

  /**
   * What tasks do. May look at the data.
   *
   * @param samples the {@link #columns} alone
   */
  E encoder(Dataset<Row> samples);

  /**
   * A whole split.
   *
   * @param parts of all partitions, in their order
   * @param rest where to write rows that the partitions left over
   */
  PartitionResult.Part<F> merge(List<PartitionResult.Part<F>> parts, ShardFiles.Target rest)
      throws IOException;

  /** Why a split has no rows and what to do, after the split's name and a colon. */
  String noRows(Split split, F figures);

  /**
   * The manifest's part about the content.
   *
   * @param encoder that tasks had
   * @param counts of ids, by split
   */
  ShardContent content(E encoder, F train, F validation, long[][] counts);

  /** Keeps beside the shards what they were made with, where the manifest does not tell it. */
  default void keep(ManifestStore store) throws IOException {}
}
