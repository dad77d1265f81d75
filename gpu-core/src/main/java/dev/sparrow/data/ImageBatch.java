package dev.sparrow.data;

/**
 * Labelled images, ready for the first layer: normalised, and in training augmented.
 *
 * <p>Image b lies at {@code pixels[b·shape.size()]} as rows of pixels, a pixel's channels side by
 * side (height, width, channels).
 */
public final class ImageBatch implements Batch {
  private final ImageShape shape;
  private final int capacity;
  private final float[] pixels;
  private final int[] labels;
  private int samples;
  private long firstSample;

  public ImageBatch(int maxSamples, ImageShape shape) {
    this.shape = shape;
    this.capacity = maxSamples;
    this.pixels = new float[Math.multiplyExact(maxSamples, shape.size())];
    this.labels = new int[maxSamples];
  }

  public ImageShape shape() {
    return shape;
  }

  /** (capacity, height, width, channels); the source writes it. */
  public float[] pixels() {
    return pixels;
  }

  /** (capacity), class numbers from 0; the source writes it. */
  public int[] labels() {
    return labels;
  }

  @Override
  public int samples() {
    return samples;
  }

  @Override
  public int capacity() {
    return capacity;
  }

  @Override
  public long firstSample() {
    return firstSample;
  }

  @Override
  public void filled(int samples, long firstSample) {
    this.samples = samples;
    this.firstSample = firstSample;
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
