package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.Columns;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.data.Sources;
import java.io.IOException;
import java.io.Serializable;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The shard job: samples of a DataFrame become rows of Arrow IPC files.
 *
 * <p>Files of failed or speculative attempts never count: the manifest, written last, names the
 * files of the attempts that Spark took, and all others are removed.
 */
public final class ShardDataset {
  private static final Logger LOG = LoggerFactory.getLogger(ShardDataset.class);

  private final SparkSession spark;
  private final ShardSettings settings;
  private final Configuration hadoop;
  private final ManifestStore store;

  public ShardDataset(SparkSession spark, ShardSettings settings) {
    this.spark = spark;
    this.settings = settings;
    this.hadoop = spark.sparkContext().hadoopConfiguration();
    this.store = new ManifestStore(hadoop, settings.output());
  }

  /**
   * Shards a source, or returns what is there when the same files and settings made it.
   *
   * @throws DataException with the cause in one line; the output is then as it was, or unfinished
   */
  public ShardManifest run(SourceSpec source) {
    return run(source, kind(source));
  }

  private ShardKind<?, ?, ?> kind(SourceSpec source) {
    return settings.content() instanceof ImageSettings images
        ? new ImageKind(source, images)
        : new TokenKind(hadoop, source, (TokenSettings) settings.content());
  }

  private ShardManifest run(SourceSpec source, ShardKind<?, ?, ?> kind) {
    Set<String> columns = new HashSet<>(kind.columns());
    if (settings.split().column() != null) {
      columns.add(settings.split().column());
    }
    Dataset<Row> rows = Sources.open(spark, source, columns);
    kind.checkColumns(rows.schema());
    if (settings.split().column() != null) {
      Columns.checkPresent(source.where(), rows.schema(), settings.split().column());
    }
    List<String> files = Sources.files(spark, source, rows);
    String hash = files.isEmpty() ? null : ContentHash.of(hadoop, source, settings, kind, files);
    Optional<ShardManifest> reusable = reusable(hash);
    return reusable.isPresent() ? reusable.get() : write(rows, source, kind, hash);
  }

  /** What is there and equal, after refusing what is there and different. */
  private Optional<ShardManifest> reusable(String hash) {
    if (settings.overwrite()) {
      return Optional.empty();
    }
    try {
      Optional<ShardManifest> found = store.find();
      if (found.isEmpty()) {
        new ShardOutput(hadoop, store.directory()).refuseForeign();
        return found;
      }
      if (hash == null || !hash.equals(found.get().contentHash())) {
        throw new DataException(
            "output "
                + store.directory()
                + " holds shards of other input or settings; choose"
                + " another path, or pass --overwrite");
      }
      LOG.info("Reusing the shards in {}: same input and settings", store.directory());
      return found;
    } catch (IOException e) {
      throw new DataException("output " + store.directory() + ": " + e.getMessage(), e);
    }
  }

  private <E extends RowEncoder<S, F>, S, F extends Serializable> ShardManifest write(
      Dataset<Row> rows, SourceSpec source, ShardKind<E, S, F> kind, String hash) {
    try {
      ShardOutput output = new ShardOutput(hadoop, store.directory());
      boolean done = false;
      try {
        E encoder = kind.encoder(rows.select(columns(rows, kind)));
        IdCounts counts = new IdCounts(encoder.ids());
        spark.sparkContext().register(counts);
        List<PartitionResult<F>> results = runTasks(selected(rows, kind), source, encoder, counts);
        ShardManifest manifest =
            new ManifestBuilder<>(hadoop, settings, source, kind, results)
                .build(encoder, counts.value(), hash);
        kind.keep(store);
        store.write(manifest);
        output.clearAllBut(Optional.of(manifest));
        done = true;
        return manifest;
      } finally {
        if (!done) {
          output.clearAllBut(settings.overwrite() ? findOld() : Optional.empty());
        }
      }
    } catch (DataException e) {
      throw e;
    } catch (Exception e) {
      throw DataException.of("sharding " + source.where(), e);
    }
  }

  /** Shards that this job was to replace stay whole when it fails. */
  private Optional<ShardManifest> findOld() {
    try {
      return store.find();
    } catch (DataException damaged) {
      return Optional.empty();
    }
  }

  private <S, F extends Serializable> List<PartitionResult<F>> runTasks(
      Dataset<Row> selected, SourceSpec source, RowEncoder<S, F> encoder, IdCounts counts) {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    Broadcast<ShardTask.Plan<S, F>> plan = context.broadcast(plan(source, encoder));
    spark.sparkContext().setJobDescription("shard " + source.where());
    try {
      // Internal rows: converting to external ones would take longer than packing them.
      List<PartitionResult<F>> results =
          ((org.apache.spark.sql.classic.Dataset<Row>) selected)
              .queryExecution()
              .toRdd()
              .toJavaRDD()
              .mapPartitionsWithIndex(new ShardTask<>(plan, counts), true)
              .collect();
      for (PartitionResult<F> result : results) {
        if (result.refusal() != null) {
          throw new DataException(result.refusal());
        }
      }
      return results;
    } finally {
      spark.sparkContext().setJobDescription(null);
      plan.destroy();
    }
  }

  private <S, F extends Serializable> ShardTask.Plan<S, F> plan(
      SourceSpec source, RowEncoder<S, F> encoder) {
    return new ShardTask.Plan<>(
        new SerializableConfiguration(hadoop),
        settings.output(),
        settings.rowsPerFile(),
        settings.split(),
        encoder,
        source.where());
  }

  /** The kind's columns, and the split's behind them. */
  private Dataset<Row> selected(Dataset<Row> rows, ShardKind<?, ?, ?> kind) {
    Column[] columns = columns(rows, kind);
    if (settings.split().column() != null) {
      columns = Arrays.copyOf(columns, columns.length + 1);
      columns[columns.length - 1] =
          Columns.of(rows, settings.split().column()).cast(DataTypes.StringType);
    }
    return rows.select(columns);
  }

  /** Under names of their own, as fields of two structs may share theirs. */
  private static Column[] columns(Dataset<Row> rows, ShardKind<?, ?, ?> kind) {
    return kind.columns().stream()
        .map(name -> Columns.of(rows, name).as("sample." + name))
        .toArray(Column[]::new);
  }
}
