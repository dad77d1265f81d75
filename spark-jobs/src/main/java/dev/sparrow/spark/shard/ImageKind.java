package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.Columns;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.image.ImageColumn;
import dev.sparrow.spark.image.Pixels;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructType;

/**
 * Images and their classes, a row each. The shape is the first image's, and the classes are those
 * that the label column holds, so that two small jobs look at the data before all of it is read.
 */
final class ImageKind implements ShardKind<ImageEncoder, LabelledImage, ImageFigures> {
  private final SourceSpec source;
  private final ImageSettings settings;

  ImageKind(SourceSpec source, ImageSettings settings) {
    this.source = source;
    this.settings = settings;
  }

  @Override
  public List<String> columns() {
    return List.of(source.column(), settings.labelColumn());
  }

  @Override
  public void checkColumns(StructType schema) {
    imageColumn(Columns.type(source.where(), schema, source.column()));
    Labels.check(
        source.where(),
        settings.labelColumn(),
        Columns.type(source.where(), schema, settings.labelColumn()));
  }

  private ImageColumn imageColumn(DataType type) {
    return ImageColumn.of(source.where(), source.column(), type, settings.size());
  }

  @Override
  public List<Object> identity(ShardSettings shards) {
    return List.of(
        "images",
        columns(),
        settings.size(),
        settings.classes(),
        shards.rowsPerFile(),
        shards.split());
  }

  @Override
  public ImageEncoder encoder(Dataset<Row> samples) {
    DataType[] types =
        Arrays.stream(samples.schema().fields())
            .map(field -> field.dataType())
            .toArray(DataType[]::new);
    ImageColumn images = imageColumn(types[ImageRows.IMAGE]);
    Column label = Columns.of(samples, samples.columns()[ImageRows.LABEL]);
    Labels labels =
        settings.classes().isEmpty()
            ? Labels.found(source.where(), settings.labelColumn(), samples, label)
            : Labels.of(settings.labelColumn(), types[ImageRows.LABEL], settings.classes());
    return new ImageEncoder(source.column(), images, labels, firstRows(samples, images));
  }

  /**
   * What the first image says of all.
   *
   * @param failure why it could not be decoded; null where it could
   */
  private record First(ImageRows rows, String failure) implements Serializable {
    static First of(ImageColumn images, InternalRow row) {
      try {
        Pixels pixels = images.read(row, ImageRows.IMAGE);
        return pixels == null ? null : new First(ImageRows.of(pixels), null);
      } catch (DataException e) {
        return new First(null, e.getMessage());
      }
    }
  }

  private ImageRows firstRows(Dataset<Row> samples, ImageColumn images) {
    List<First> found =
        ((org.apache.spark.sql.classic.Dataset<Row>) samples)
            .queryExecution()
            .toRdd()
            .toJavaRDD()
            .filter(row -> !row.isNullAt(ImageRows.IMAGE))
            .map(row -> First.of(images, row))
            .filter(first -> first != null)
            .take(1);
    String column = source.where() + ": column '" + source.column() + "'";
    if (found.isEmpty()) {
      throw new DataException(column + " is null or empty in all rows; choose another column");
    }
    if (found.get(0).failure() != null) {
      throw new DataException(column + ", the first image: " + found.get(0).failure());
    }
    return found.get(0).rows();
  }

  @Override
  public PartitionResult.Part<ImageFigures> merge(
      List<PartitionResult.Part<ImageFigures>> parts, ShardFiles.Target rest) {
    ImageFigures all =
        parts.stream()
            .map(PartitionResult.Part::figures)
            .reduce(ImageFigures::plus)
            .orElseThrow(() -> new DataException(source.where() + " holds no rows"));
    return PartitionResult.Part.of(parts, List.of(), all);
  }

  @Override
  public String noRows(Split split, ImageFigures figures) {
    return "expected an image at least, found none; "
        + (split == Split.TRAIN ? "add data, or hold out less" : "hold out more");
  }

  @Override
  public ImageContent content(
      ImageEncoder encoder, ImageFigures train, ImageFigures validation, long[][] counts) {
    ImageRows rows = encoder.rows();
    return new ImageContent(
        rows.height(),
        rows.width(),
        rows.channels(),
        rows.floats() ? ImageContent.DType.FLOAT32 : ImageContent.DType.UINT8,
        encoder.labels().classes(),
        train.means(),
        train.deviations(),
        boxed(counts[Split.TRAIN.ordinal()]),
        boxed(counts[Split.VALIDATION.ordinal()]));
  }

  private static List<Long> boxed(long[] counts) {
    return Arrays.stream(counts).boxed().toList();
  }
}
