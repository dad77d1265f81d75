package dev.sparrow.spark.shard;

import dev.sparrow.data.ImageShape;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.image.ImageColumn;
import dev.sparrow.spark.image.Pixels;
import java.io.IOException;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.XXH64;
import org.apache.spark.unsafe.Platform;

/**
 * Images of one shape, and their classes.
 *
 * @param column of the images, for messages
 */
record ImageEncoder(String column, ImageColumn images, Labels labels, ImageRows rows)
    implements RowEncoder<LabelledImage, ImageFigures> {
  @Override
  public int columns() {
    return 2;
  }

  @Override
  public int ids() {
    return labels.classes().size();
  }

  @Override
  public LabelledImage read(InternalRow row) {
    Pixels pixels = pixels(row);
    if (pixels == null) {
      return null;
    }
    return new LabelledImage(shaped(pixels), labels.number(row, ImageRows.LABEL));
  }

  private Pixels pixels(InternalRow row) {
    try {
      return images.read(row, ImageRows.IMAGE);
    } catch (DataException e) {
      throw new DataException("column '" + column + "': " + e.getMessage(), e);
    }
  }

  private Pixels shaped(Pixels pixels) {
    Pixels shaped = pixels.withChannels(rows.channels());
    if (!shaped.shape().equals(rows.shape())) {
      throw new DataException(
          "column '"
              + column
              + "': expected "
              + words(rows.shape())
              + " as the first image has it, got "
              + words(pixels.shape())
              + "; set image.height and image.width to have all images resized");
    }
    return shaped;
  }

  private static String words(ImageShape shape) {
    return "%d x %d pixels of %d channels"
        .formatted(shape.height(), shape.width(), shape.channels());
  }

  @Override
  public long hash(InternalRow row, LabelledImage image, long seed) {
    Pixels pixels = image.pixels();
    return pixels.isFloat()
        ? XXH64.hashUnsafeBytes(
            pixels.floats(),
            Platform.FLOAT_ARRAY_OFFSET,
            Math.multiplyExact(Float.BYTES, pixels.floats().length),
            seed)
        : XXH64.hashUnsafeBytes(
            pixels.bytes(), Platform.BYTE_ARRAY_OFFSET, pixels.bytes().length, seed);
  }

  @Override
  public Writer writer(ShardFiles.Target target, long[] counts) {
    return new Writer(new ShardFiles<>(target, rows), counts);
  }

  /** Sums pixels up while it writes them. */
  final class Writer implements SplitWriter<LabelledImage, ImageFigures> {
    private final ShardFiles<LabelledImage> files;
    private final long[] counts;
    private ImageFigures figures = ImageFigures.none(rows);

    private Writer(ShardFiles<LabelledImage> files, long[] counts) {
      this.files = files;
      this.counts = counts;
    }

    @Override
    public void add(LabelledImage image) throws IOException {
      files.add(image);
      counts[image.label()]++;
      figures = figures.plus(image.pixels());
    }

    @Override
    public PartitionResult.Part<ImageFigures> finish() throws IOException {
      return new PartitionResult.Part<>(files.finish(), figures);
    }

    @Override
    public void close() throws IOException {
      files.close();
    }
  }
}
