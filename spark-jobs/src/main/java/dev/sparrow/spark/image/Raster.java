package dev.sparrow.spark.image;

import dev.sparrow.data.ImageShape;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;

/** Between the JDK's images and pixels: grey, or red, green and blue; opacity is left out. */
final class Raster {
  private static final int COLOURS = 3;

  private Raster() {}

  /** The pixels of an image of any colour model. */
  static Pixels of(BufferedImage image) {
    boolean grey = isGrey(image.getColorModel());
    ImageShape shape = new ImageShape(image.getHeight(), image.getWidth(), grey ? 1 : COLOURS);
    return Pixels.ofBytes(shape, grey ? greys(image) : colours(image));
  }

  /**
   * Whether it has no colours; a palette may hold greys alone, as that of two colours often does.
   */
  private static boolean isGrey(ColorModel model) {
    if (!(model instanceof IndexColorModel palette)) {
      return model.getColorSpace().getType() == ColorSpace.TYPE_GRAY;
    }
    for (int i = 0; i < palette.getMapSize(); i++) {
      boolean grey =
          palette.getRed(i) == palette.getGreen(i) && palette.getGreen(i) == palette.getBlue(i);
      if (!grey) {
        return false;
      }
    }
    return true;
  }

  /** The stored values: a conversion between colour spaces would brighten them. */
  private static byte[] greys(BufferedImage image) {
    byte[] pixels = new byte[image.getHeight() * image.getWidth()];
    IndexColorModel palette =
        image.getColorModel() instanceof IndexColorModel indexed ? indexed : null;
    int excess = Math.max(0, image.getSampleModel().getSampleSize(0) - Byte.SIZE);
    int[] row = new int[image.getWidth()];
    for (int y = 0; y < image.getHeight(); y++) {
      image.getRaster().getSamples(0, y, row.length, 1, 0, row);
      for (int x = 0; x < row.length; x++) {
        int level = palette == null ? row[x] >> excess : palette.getRed(row[x]);
        pixels[y * row.length + x] = (byte) level;
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

  /**
   * Bytes in another size, where one is set: bilinear, and halved first while they are more than
   * twice too many, so that none is passed by.
   *
   * @param pixels of 1 or 3 channels
   */
  static Pixels resized(Pixels pixels, ImageSize size) {
    ImageShape shape = pixels.shape();
    boolean fits = shape.height() == size.height() && shape.width() == size.width();
    if (!size.isSet() || fits) {
      return pixels;
    }
    BufferedImage image = image(pixels);
    while (image.getHeight() != size.height() || image.getWidth() != size.width()) {
      int height = Math.max(size.height(), image.getHeight() / 2);
      int width = Math.max(size.width(), image.getWidth() / 2);
      image = drawn(image, height, width);
    }
    return of(image);
  }

  private static BufferedImage image(Pixels pixels) {
    ImageShape shape = pixels.shape();
    int channels = shape.channels();
    int type = channels == 1 ? BufferedImage.TYPE_BYTE_GRAY : BufferedImage.TYPE_3BYTE_BGR;
    BufferedImage image = new BufferedImage(shape.width(), shape.height(), type);
    byte[] target = ((DataBufferByte) image.getRaster().getDataBuffer()).getData();
    for (int i = 0; i < target.length; i++) {
      int channel = i % channels;
      target[i] = pixels.bytes()[i - channel + channels - 1 - channel];
    }
    return image;
  }

  private static BufferedImage drawn(BufferedImage image, int height, int width) {
    BufferedImage target = new BufferedImage(width, height, image.getType());
    Graphics2D graphics = target.createGraphics();
    graphics.setRenderingHint(
        RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
    graphics.drawImage(image, 0, 0, width, height, null);
    graphics.dispose();
    return target;
  }
}
