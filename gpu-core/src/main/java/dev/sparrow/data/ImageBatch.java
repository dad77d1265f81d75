package dev.sparrow.data;

/**
 * Labelled images, ready for the first layer: normalised, and in training augmented.
 *
 * <p>Image b lies at {@code pixels[b·shape.size()]} as rows of pixels, a pixel's channels side by
 * side (height, width, channels).
 */
public final class ImageBatch extends Batch {
  private final ImageShape shape;
  private final float[] pixels;
  private final int[] labels;

  public ImageBatch(int maxSamples, ImageShape shape) {
    this.shape = shape;
    this.pixels = new float[Math.multiplyExact(maxSamples, shape.size())];
    this.labels = new int[maxSamples];
  }

  public ImageShape shape() {
    return shape;
  }

  /** (maxSamples, height, width, channels); the source writes it. */
  public float[] pixels() {
    return pixels;
  }

  /** (maxSamples), class numbers from 0; the source writes it. */
  public int[] labels() {
    return labels;
  }

  @Override
  public void awaitTakenSync() {
    // Uploads of arrays have read them when they return.
  }

  @Override
  public void close() {
    // Holds nothing but the heap's.
  }
}
