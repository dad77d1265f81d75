package dev.sparrow.data;

import java.nio.ByteBuffer;

/** Labelled images of bytes in memory. */
public final class ImageRows implements Rows<ImageBatch> {
  private final ByteBuffer pixels; // (rows, height, width, channels)
  private final int[] labels; // (rows)
  private final ImageShape shape;
  private final ImageTransform transform;

  /**
   * @param pixels (rows, height, width, channels) from index 0; shared, not copied
   * @param labels (rows), class numbers; shared, not copied
   * @param transform of {@link ImageTransform#training} or {@link ImageTransform#evaluation}, for
   *     these rows alone
   */
  public ImageRows(ByteBuffer pixels, int[] labels, ImageShape shape, ImageTransform transform) {
    this.pixels = pixels;
    this.labels = labels;
    this.shape = shape;
    this.transform = transform;
    long bytes = (long) labels.length * shape.size();
    if (pixels.capacity() != bytes) {
      throw new IllegalArgumentException(
          "images: expected %d bytes for %d labels, got %d"
              .formatted(bytes, labels.length, pixels.capacity()));
    }
  }

  @Override
  public int count() {
    return labels.length;
  }

  @Override
  public ImageBatch batch(int samples) {
    return new ImageBatch(samples, shape);
  }

  @Override
  public void copy(int row, long sample, ImageBatch batch, int place) {
    int size = shape.size();
    transform.apply(pixels, row * size, sample, batch.pixels(), place * size);
    batch.labels()[place] = labels[row];
  }
}
