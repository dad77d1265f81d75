package dev.sparrow.backend;

/**
 * A square window that slides over images with zeros, or nothing, around them. Images lie as rows
 * of channels: (images·height·width, channels); what the window sees at each of its places is one
 * row of the output: (images·outHeight·outWidth, ...).
 *
 * @param images of the batch
 * @param height of an image, in pixels
 * @param width of an image, in pixels
 * @param channels of a pixel
 * @param kernel height and width of the window
 * @param stride from one place of the window to the next, both ways
 * @param padding pixels added on each of the four sides, below kernel
 */
public record ConvShape(
    int images, int height, int width, int channels, int kernel, int stride, int padding) {
  public ConvShape {
    if (images < 0 || height < 1 || width < 1 || channels < 1 || kernel < 1 || stride < 1) {
      throw new IllegalArgumentException(
          "window: expected sizes, kernel and stride >= 1, got %d images of %d x %d x %d, %d / %d"
              .formatted(images, height, width, channels, kernel, stride));
    }
    if (padding < 0 || padding >= kernel) {
      throw new IllegalArgumentException(
          "window: expected padding in [0, kernel = " + kernel + "), got " + padding);
    }
    if (Math.min(height, width) + 2 * padding < kernel) {
      throw new IllegalArgumentException(
          "window: expected images of at least %d x %d, got %d x %d"
              .formatted(kernel - 2 * padding, kernel - 2 * padding, height, width));
    }
  }

  /** The same window over another number of images. */
  public ConvShape withImages(int count) {
    return new ConvShape(count, height, width, channels, kernel, stride, padding);
  }

  public int outHeight() {
    return (height + 2 * padding - kernel) / stride + 1;
  }

  public int outWidth() {
    return (width + 2 * padding - kernel) / stride + 1;
  }

  /** Rows of the input. */
  public int rows() {
    return Math.multiplyExact(images, height * width);
  }

  /** Rows of the output. */
  public int outRows() {
    return Math.multiplyExact(images, outHeight() * outWidth());
  }

  /** Places within the window. */
  public int taps() {
    return kernel * kernel;
  }

  /** Numbers that the window covers: (kernel, kernel, channels). */
  public int patch() {
    return taps() * channels;
  }

  /** Whether a patch is a pixel, so that a convolution is a product of the rows as they lie. */
  public boolean isPointwise() {
    return kernel == 1 && stride == 1;
  }
}
