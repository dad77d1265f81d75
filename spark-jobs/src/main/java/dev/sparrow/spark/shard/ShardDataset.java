package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.Columns;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.data.Sources;
import dev.sparrow.spark.text.TextTokenizer;
import java.io.IOException;
import java.util.ArrayList;
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
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The shard job: documents of a DataFrame become rows of context + 1 tokens in Arrow IPC files.
 *
 * <p>Every document is followed by end-of-text. Each partition packs its documents as one stream
 * per split; what fills no row at its end (at most context tokens) goes to the driver, which packs
 * all these tails in the order of partitions. So at most context tokens of a whole split are
 * dropped, and the manifest says how many. Nothing is padded.
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
  private final TextTokenizer tokenizer;

  public ShardDataset(SparkSession spark, ShardSettings settings) {
    this.spark = spark;
    this.settings = settings;
    this.hadoop = spark.sparkContext().hadoopConfiguration();
    this.store = new ManifestStore(hadoop, settings.output());
    this.tokenizer = settings.tokenizer().open(hadoop);
  }

  /**
   * Shards a source, or returns what is there when the same files and settings made it.
   *
   * @throws DataException with the cause in one line; the output is then as it was, or unfinished
   */
  public ShardManifest run(SourceSpec source) {
    Set<String> columns = new HashSet<>(Set.of(source.column()));
    if (settings.split().column() != null) {
      columns.add(settings.split().column());
    }
    Dataset<Row> rows = Sources.open(spark, source, columns);
    checkColumns(rows.schema(), source);
    List<String> files = Sources.files(spark, source, rows);
    String hash =
        files.isEmpty() ? null : ContentHash.of(hadoop, source, settings, tokenizer, files);
    Optional<ShardManifest> reusable = reusable(hash);
    return reusable.isPresent() ? reusable.get() : write(rows, source, hash);
  }

  private void checkColumns(StructType schema, SourceSpec source) {
    if (source.tokenised()) {
      Columns.checkTokens(source.where(), schema, source.column());
    } else {
      Columns.checkText(source.where(), schema, source.column());
    }
    if (settings.split().column() != null) {
      Columns.checkPresent(source.where(), schema, settings.split().column());
    }
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

  private ShardManifest write(Dataset<Row> rows, SourceSpec source, String hash) {
    TokenCounts counts = new TokenCounts(tokenizer.vocabularySize());
    spark.sparkContext().register(counts);
    try {
      ShardOutput output = new ShardOutput(hadoop, store.directory());
      boolean done = false;
      try {
        List<PartitionResult> results = runTasks(rows, source, counts);
        ShardManifest manifest =
            new ManifestBuilder(hadoop, settings, tokenizer, source, results)
                .build(counts.value(), hash);
        store.keepTokenizer(tokenizer);
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

  private List<PartitionResult> runTasks(Dataset<Row> rows, SourceSpec source, TokenCounts counts) {
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    Broadcast<ShardTask.Plan> plan = context.broadcast(plan(rows.schema(), source));
    spark.sparkContext().setJobDescription("shard " + source.where());
    try {
      // Internal rows: converting to external ones would take longer than packing them.
      List<PartitionResult> results =
          ((org.apache.spark.sql.classic.Dataset<Row>) selected(rows, source))
              .queryExecution()
              .toRdd()
              .toJavaRDD()
              .mapPartitionsWithIndex(new ShardTask(plan, counts), true)
              .collect();
      for (PartitionResult result : results) {
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

  private Dataset<Row> selected(Dataset<Row> rows, SourceSpec source) {
    List<Column> columns = new ArrayList<>();
    columns.add(column(rows, source.column()));
    if (settings.split().column() != null) {
      columns.add(column(rows, settings.split().column()).cast(DataTypes.StringType));
    }
    return rows.select(columns.toArray(Column[]::new));
  }

  /** Quoted, as a name may hold dots. */
  private static Column column(Dataset<Row> rows, String name) {
    return rows.col("`" + name.replace("`", "``") + "`");
  }

  private ShardTask.Plan plan(StructType schema, SourceSpec source) {
    int vocabulary = tokenizer.vocabularySize();
    DocumentReader reader =
        source.tokenised()
            ? new DocumentReader.Ids(
                vocabulary, tokenizer.endOfText(), wide(schema, source.column()))
            : new DocumentReader.Text(tokenizer);
    return new ShardTask.Plan(
        new SerializableConfiguration(hadoop),
        settings.output(),
        settings.context(),
        settings.rowsPerFile(),
        settings.split(),
        reader,
        tokenizer.endOfText(),
        vocabulary,
        source.where(),
        source.column());
  }

  private static boolean wide(StructType schema, String column) {
    ArrayType type = (ArrayType) schema.apply(column).dataType();
    return type.elementType().equals(DataTypes.LongType);
  }
}
