package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import java.io.IOException;
import java.io.Serializable;
import java.util.List;
import java.util.function.ToLongFunction;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Adds up what the tasks of a shard job report, and refuses empty splits. */
final class ManifestBuilder<E extends RowEncoder<S, F>, S, F extends Serializable> {
  private final Configuration hadoop;
  private final ShardSettings settings;
  private final SourceSpec source;
  private final ShardKind<E, S, F> kind;
  private final List<PartitionResult<F>> results;

  /**
   * @param results in the order of partitions
   */
  ManifestBuilder(
      Configuration hadoop,
      ShardSettings settings,
      SourceSpec source,
      ShardKind<E, S, F> kind,
      List<PartitionResult<F>> results) {
    this.hadoop = hadoop;
    this.settings = settings;
    this.source = source;
    this.kind = kind;
    this.results = results;
  }

  /**
   * @param encoder that tasks had
   * @param counts occurrences of each id, by split
   * @param hash of input and settings, or null
   * @throws DataException when there is nothing to train on
   */
  ShardManifest build(E encoder, long[][] counts, String hash) throws IOException {
    checkNotEmpty();
    PartitionResult.Part<F> train = whole(Split.TRAIN);
    PartitionResult.Part<F> validation = whole(Split.VALIDATION);
    if (settings.split().wantsTraining()) {
      checkRows(Split.TRAIN, train);
    }
    if (settings.split().wantsValidation()) {
      checkRows(Split.VALIDATION, validation);
    }
    return new ShardManifest(
        ShardManifest.SCHEMA_VERSION,
        kind.content(encoder, train.figures(), validation.figures(), counts),
        ShardManifest.Part.of(train.files()),
        ShardManifest.Part.of(validation.files()),
        sum(PartitionResult::nullRows),
        sum(PartitionResult::emptyRows),
        sum(PartitionResult::otherRows),
        hash);
  }

  private long sum(ToLongFunction<PartitionResult<F>> count) {
    return results.stream().mapToLong(count).sum();
  }

  private void checkNotEmpty() {
    long rows = sum(PartitionResult::rows);
    if (rows == 0) {
      throw new DataException(source.where() + " holds no rows");
    }
    if (sum(r -> r.nullRows() + r.emptyRows()) == rows) {
      throw new DataException(
          source.where()
              + ": column '"
              + String.join("' or '", kind.columns())
              + "' is null or empty in all "
              + rows
              + " rows; choose another column");
    }
  }

  private PartitionResult.Part<F> whole(Split split) throws IOException {
    try (BufferAllocator memory = new RootAllocator()) {
      ShardFiles.Target rest =
          new ShardFiles.Target(
              hadoop, new Path(settings.output()), split, "tails", settings.rowsPerFile(), memory);
      return kind.merge(results.stream().map(result -> result.part(split)).toList(), rest);
    }
  }

  private void checkRows(Split split, PartitionResult.Part<F> part) {
    if (part.files().isEmpty()) {
      throw new DataException(split.label() + " split: " + kind.noRows(split, part.figures()));
    }
  }
}
