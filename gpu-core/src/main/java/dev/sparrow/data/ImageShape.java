package dev.sparrow.data;

/**
 * Size of an image.
 *
 * @param height in pixels
 * @param width in pixels
 * @param channels numbers of a pixel: 3 for colour, 1 for grey
 */
public record ImageShape(int height, int width, int channels) {
  public ImageShape {
    if (height < 1 || width < 1 || channels < 1) {
      throw new IllegalArgumentException(
          "image: expected height, width and channels >= 1, got %d, %d and %d"
              .formatted(height, width, channels));
    }
  }

  /** Numbers of an image. */
  public int size() {
    return Math.multiplyExact(Math.multiplyExact(height, width), channels);
  }
}
