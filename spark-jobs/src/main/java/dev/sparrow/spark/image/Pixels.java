package dev.sparrow.spark.image;

import dev.sparrow.data.ImageShape;

/**
 * A decoded image: rows of pixels, a pixel's channels side by side. One of the arrays is null.
 *
 * @param bytes (height, width, channels) from 0 to 255, unsigned; colours as red, green, blue
 * @param floats (height, width, channels)
 */
public record Pixels(ImageShape shape, byte[] bytes, float[] floats) {
  static Pixels ofBytes(ImageShape shape, byte[] bytes) {
    return new Pixels(shape, bytes, null);
  }

  static Pixels ofFloats(ImageShape shape, float[] floats) {
    return new Pixels(shape, null, floats);
  }

  public boolean isFloat() {
    return floats != null;
  }

  /**
   * The same image with as many channels as others have: grey becomes the colour grey.
   *
   * @return this where there is nothing to do, or nothing that can be done
   */
  public Pixels withChannels(int channels) {
    if (shape.channels() != 1 || channels != 3 || isFloat()) {
      return this;
    }
    byte[] colours = new byte[Math.multiplyExact(bytes.length, channels)];
    for (int i = 0; i < colours.length; i++) {
      colours[i] = bytes[i / channels];
    }
    return ofBytes(new ImageShape(shape.height(), shape.width(), channels), colours);
  }
}
