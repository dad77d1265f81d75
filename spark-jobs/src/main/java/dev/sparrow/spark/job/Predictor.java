package dev.sparrow.spark.job;

import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.image.ImageColumn;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;
import org.apache.spark.util.TaskCompletionListener;

/**
 * The tasks of {@link PredictJob}: each opens a backend and the model, and closes them when it
 * ends.
 *
 * @param text resolved settings
 * @param model path of a {@link SavedModel}
 * @param where source and column, for messages
 * @param kept leading columns of the rows; the image is behind them
 */
record Predictor(
    String text,
    String model,
    SerializableConfiguration hadoop,
    ImageColumn images,
    String where,
    StructType kept)
    implements Function2<Integer, Iterator<InternalRow>, Iterator<Row>> {

  /** Of the rows that come out. */
  static StructType schema(StructType kept) {
    return kept.add("predicted_class", DataTypes.StringType)
        .add("probability", DataTypes.FloatType)
        .add("probabilities", DataTypes.createArrayType(DataTypes.FloatType));
  }

  @Override
  public Iterator<Row> call(Integer partition, Iterator<InternalRow> rows) {
    if (!rows.hasNext()) {
      return List.<Row>of().iterator();
    }
    RunConfig config = ConfigParser.parse(text, "config.conf", List.of());
    TaskContext task = TaskContext.get();
    RankBackend backend = RankBackend.open(config, task);
    task.addTaskCompletionListener((TaskCompletionListener) context -> backend.close());
    LoadedModel loaded =
        LoadedModel.open(
            config, SavedModel.at(hadoop.value(), model), backend.backend(), PredictedRows.BATCH);
    // Listeners are called in reverse order: the model goes before its backend.
    task.addTaskCompletionListener((TaskCompletionListener) context -> loaded.close());
    String place = where + ", partition " + partition;
    return new PredictedRows(loaded, images, place, kept, rows);
  }
}
