package dev.sparrow.spark.job;

import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.cluster.ClusterChecks;
import dev.sparrow.spark.data.Columns;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.data.Sources;
import dev.sparrow.spark.image.ImageColumn;
import dev.sparrow.spark.image.ImageSize;
import dev.sparrow.spark.shard.ImageContent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BinaryType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;

/**
 * What a classifier says of every image of a source: a row for each row, with the columns that are
 * kept, the likeliest class, its probability, and those of all classes. Nothing is sharded or
 * shuffled.
 */
public final class PredictJob {
  private final SparkSession spark;
  private final RunConfig config;
  private final String model;
  private final Configuration hadoop;

  /**
   * @param rows written
   * @param path where
   */
  public record Predicted(long rows, String path) {}

  /**
   * @param model path of a {@link SavedModel}
   */
  public PredictJob(SparkSession spark, RunConfig config, String model) {
    this.spark = spark;
    this.config = config;
    this.hadoop = spark.sparkContext().hadoopConfiguration();
    this.model = model;
  }

  /**
   * @param output a directory that is not there yet
   * @param format parquet, json or another that Spark writes
   * @param kept columns of the source that tell its rows apart; empty: all that hold a single value
   * @throws DataException where an image cannot be used
   */
  public Predicted run(String output, String format, List<String> kept) {
    if (!config.model().kind().classifiesImages()) {
      throw new JobException(
          model
              + ": expected a model that classifies images, got a language model; `generate`"
              + " continues a text");
    }
    ClusterChecks.requireGpus(spark.sparkContext().conf(), config.train().backend());
    ImageContent learnt = SavedModel.at(hadoop, model).manifest().images();
    SourceSpec source = ShardJob.source(config.data(), config.image().column(), false);
    Set<String> columns = new HashSet<>(kept);
    columns.add(source.column());
    Dataset<Row> rows = Sources.open(spark, source, columns);
    return write(predicted(rows, source, kept, learnt), output, format);
  }

  private Dataset<Row> predicted(
      Dataset<Row> rows, SourceSpec source, List<String> kept, ImageContent learnt) {
    DataType type = Columns.type(source.where(), rows.schema(), source.column());
    ImageSize size = new ImageSize(config.image().height(), config.image().width());
    ImageColumn images = ImageColumn.of(source.where(), source.column(), type, size);
    Dataset<Row> selected = selected(rows, source, kept);
    StructType names = keptOnly(selected.schema());
    Predictor predictor =
        new Predictor(
            config.text(),
            model,
            new SerializableConfiguration(hadoop),
            images,
            source.where() + ": column '" + source.column() + "'",
            names);
    JavaRDD<Row> predictions =
        ((org.apache.spark.sql.classic.Dataset<Row>) selected)
            .queryExecution()
            .toRdd()
            .toJavaRDD()
            .mapPartitionsWithIndex(predictor, true);
    return spark.createDataFrame(predictions, Predictor.schema(names));
  }

  /** The kept columns, and the image behind them. */
  private static Dataset<Row> selected(Dataset<Row> rows, SourceSpec source, List<String> kept) {
    List<Column> columns = new ArrayList<>();
    if (kept.isEmpty()) {
      Arrays.stream(rows.schema().fields())
          .filter(field -> isSingle(field.dataType()))
          .forEach(field -> columns.add(Columns.of(rows, field.name())));
    }
    for (String name : kept) {
      Columns.type(source.where(), rows.schema(), name);
      columns.add(Columns.of(rows, name).as(name));
    }
    columns.add(Columns.of(rows, source.column()).as("sample.image"));
    return rows.select(columns.toArray(Column[]::new));
  }

  private static boolean isSingle(DataType type) {
    return !(type instanceof BinaryType
        || type instanceof ArrayType
        || type instanceof StructType
        || type instanceof MapType);
  }

  private static StructType keptOnly(StructType selected) {
    StructField[] fields = selected.fields();
    return new StructType(Arrays.copyOf(fields, fields.length - 1));
  }

  private Predicted write(Dataset<Row> predictions, String output, String format) {
    try {
      predictions.write().format(format).mode(SaveMode.ErrorIfExists).save(output);
      Dataset<Row> written = spark.read().schema(predictions.schema()).format(format).load(output);
      return new Predicted(written.count(), output);
    } catch (DataException e) {
      throw e;
    } catch (Exception e) {
      // Spark declares none of its checked AnalysisExceptions to Java.
      throw DataException.of("predictions in " + output, e);
    }
  }
}
