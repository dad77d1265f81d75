package dev.sparrow.spark.job;

import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageShape;
import dev.sparrow.data.ImageTransform;
import dev.sparrow.model.ImageClassifier;
import dev.sparrow.nn.Pass;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.image.ImageColumn;
import dev.sparrow.spark.image.Pixels;
import dev.sparrow.spark.shard.ImageContent;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Queue;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.CatalystTypeConverters;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import scala.Function1;

/** A partition's rows with what a classifier says of them, batch by batch. */
final class PredictedRows implements Iterator<Row> {
  /** Images of one forward pass. */
  static final int BATCH = 64;

  private static final int ADDED = 3;

  private final ImageClassifier model;
  private final ImageContent learnt;
  private final ImageTransform transform;
  private final ImageColumn images;
  private final String place;
  private final StructField[] kept;
  private final List<Function1<Object, Object>> converters = new ArrayList<>();
  private final Iterator<InternalRow> source;
  private final ImageBatch batch;
  private final Queue<Row> ready = new ArrayDeque<>();
  private long read;

  /**
   * @param place source, column and partition, for messages
   * @param kept leading columns of the rows; the image is behind them
   */
  PredictedRows(
      LoadedModel loaded,
      ImageColumn images,
      String place,
      StructType kept,
      Iterator<InternalRow> source) {
    this.model = (ImageClassifier) loaded.model();
    this.learnt = (ImageContent) loaded.learnt();
    this.transform = Readers.evaluation(learnt);
    this.images = images;
    this.place = place;
    this.kept = kept.fields();
    this.source = source;
    this.batch = new ImageBatch(BATCH, learnt.shape());
    for (StructField field : this.kept) {
      converters.add(CatalystTypeConverters.createToScalaConverter(field.dataType()));
    }
  }

  @Override
  public boolean hasNext() {
    if (ready.isEmpty() && source.hasNext()) {
      predict();
    }
    return !ready.isEmpty();
  }

  @Override
  public Row next() {
    if (!hasNext()) {
      throw new NoSuchElementException("no more rows in " + place);
    }
    return ready.remove();
  }

  /** Of the next rows; one without an image has no prediction. */
  private void predict() {
    List<Object[]> rows = new ArrayList<>();
    List<Object[]> withImage = new ArrayList<>();
    while (source.hasNext() && withImage.size() < BATCH) {
      InternalRow row = source.next();
      Object[] values = kept(row);
      rows.add(values);
      if (stage(row, withImage.size())) {
        withImage.add(values);
      }
    }
    if (!withImage.isEmpty()) {
      batch.filled(withImage.size(), 0);
      model.forward(batch, Pass.inference(withImage.size(), model.length()));
      float[] probabilities = model.probabilitiesSync(withImage.size());
      for (int i = 0; i < withImage.size(); i++) {
        tell(probabilities, i, withImage.get(i));
      }
    }
    rows.forEach(values -> ready.add(RowFactory.create(values)));
  }

  private Object[] kept(InternalRow row) {
    Object[] values = new Object[kept.length + ADDED];
    for (int i = 0; i < kept.length; i++) {
      Object value = row.isNullAt(i) ? null : row.get(i, kept[i].dataType());
      values[i] = converters.get(i).apply(value);
    }
    return values;
  }

  /** Brings the row's image to a slot of the batch; false where it has none. */
  private boolean stage(InternalRow row, int slot) {
    long number = read++;
    Pixels pixels = row.isNullAt(kept.length) ? null : decoded(row, number);
    if (pixels == null) {
      return false;
    }
    float[] target = batch.pixels();
    int at = slot * learnt.shape().size();
    if (pixels.isFloat()) {
      transform.apply(FloatBuffer.wrap(pixels.floats()), 0, 0, target, at);
    } else {
      transform.apply(ByteBuffer.wrap(pixels.bytes()), 0, 0, target, at);
    }
    return true;
  }

  private Pixels decoded(InternalRow row, long number) {
    try {
      Pixels pixels = images.read(row, kept.length);
      return pixels == null ? null : fitting(pixels.withChannels(learnt.channels()));
    } catch (DataException e) {
      throw new DataException(place + ", row " + number + ": " + e.getMessage(), e);
    }
  }

  private Pixels fitting(Pixels pixels) {
    ImageShape expected = learnt.shape();
    boolean bytes = learnt.dtype() == ImageContent.DType.UINT8;
    if (!pixels.shape().equals(expected) || pixels.isFloat() == bytes) {
      throw new DataException(
          "expected the model's %s of %s, got %s of %s; set image.height and image.width to resize"
              .formatted(
                  expected,
                  learnt.dtype().label(),
                  pixels.shape(),
                  pixels.isFloat() ? "float32" : "uint8"));
    }
    return pixels;
  }

  private void tell(float[] probabilities, int slot, Object[] values) {
    int classes = learnt.classes().size();
    float[] own = Arrays.copyOfRange(probabilities, slot * classes, (slot + 1) * classes);
    int best = 0;
    for (int j = 1; j < classes; j++) {
      best = own[j] > own[best] ? j : best;
    }
    values[kept.length] = learnt.classes().get(best);
    values[kept.length + 1] = own[best];
    values[kept.length + 2] = own;
  }
}
