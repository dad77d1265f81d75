package dev.sparrow.spark.image;

import dev.sparrow.data.ImageShape;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DataBufferByte;

/** From the JDK's images to pixels: grey or red, green and blue; opacity is left out. */
final class Raster {
  private static final int COLOURS = 3;

  private Raster() {}

  /** The image, resized where a size is set. */
  static Pixels of(BufferedImage image, ImageSize size) {
    BufferedImage sized = size.isSet() ? resized(image, size) : image;
    ImageShape shape =
        new ImageShape(sized.getHeight(), sized.getWidth(), isGrey(sized) ? 1 : COLOURS);
    return Pixels.ofBytes(shape, isGrey(sized) ? greys(sized) : colours(sized));
  }

  private static boolean isGrey(BufferedImage image) {
    ColorModel model = image.getColorModel();
    return model.getColorSpace().getType() == ColorSpace.TYPE_GRAY;
  }

  /** The stored values: a conversion by colour spaces would brighten them. */
  private static byte[] greys(BufferedImage image) {
    byte[] pixels = new byte[image.getHeight() * image.getWidth()];
    int excess = Math.max(0, image.getSampleModel().getSampleSize(0) - Byte.SIZE);
    int highest = (1 << Math.min(Byte.SIZE, image.getSampleModel().getSampleSize(0))) - 1;
    int[] row = new int[image.getWidth()];
    for (int y = 0; y < image.getHeight(); y++) {
      image.getRaster().getSamples(0, y, row.length, 1, 0, row);
      for (int x = 0; x < row.length; x++) {
        pixels[y * row.length + x] = (byte) ((row[x] >> excess) * 255 / highest);
      }
    }
    return pixels;
  }

  private static byte[] colours(BufferedImage image) {
    byte[] pixels = new byte[image.getHeight() * image.getWidth() * COLOURS];
    int[] row = new int[image.getWidth()];
    for (int y = 0; y < image.getHeight(); y++) {
      image.getRGB(0, y, row.length, 1, row, 0, row.length);
      int at = y * row.length * COLOURS;
      for (int colour : row) {
        pixels[at++] = (byte) (colour >> 16);
        pixels[at++] = (byte) (colour >> 8);
        pixels[at++] = (byte) colour;
      }
    }
    return pixels;
  }

  /** An image of bytes as the JDK's, to be resized. */
  static BufferedImage image(Pixels pixels) {
    ImageShape shape = pixels.shape();
    boolean grey = shape.channels() == 1;
    BufferedImage image =
        new BufferedImage(
            shape.width(),
            shape.height(),
            grey ? BufferedImage.TYPE_BYTE_GRAY : BufferedImage.TYPE_3BYTE_BGR);
    byte[] target = ((DataBufferByte) image.getRaster().getDataBuffer()).getData();
    for (int i = 0; i < target.length; i++) {
      int channel = i % shape.channels();
      target[i] = pixels.bytes()[i - channel + shape.channels() - 1 - channel];
    }
    return image;
  }

  /**
   * Bilinear; halved first while it is more than twice too large, so that no pixel is passed by.
   */
  private static BufferedImage resized(BufferedImage image, ImageSize size) {
    BufferedImage at = image;
    while (at.getHeight() != size.height() || at.getWidth() != size.width()) {
      int height = Math.max(size.height(), at.getHeight() / 2);
      int width = Math.max(size.width(), at.getWidth() / 2);
      at = drawn(at, height, width);
    }
    return at;
  }

  private static BufferedImage drawn(BufferedImage image, int height, int width) {
    int type = isGrey(image) ? BufferedImage.TYPE_BYTE_GRAY : BufferedImage.TYPE_3BYTE_BGR;
    BufferedImage target = new BufferedImage(width, height, type);
    Graphics2D graphics = target.createGraphics();
    graphics.setRenderingHint(
        RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
    graphics.drawImage(image, 0, 0, width, height, null);
    graphics.dispose();
    return target;
  }
}
