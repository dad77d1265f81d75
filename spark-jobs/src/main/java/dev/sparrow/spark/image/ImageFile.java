package dev.sparrow.spark.image;

import dev.sparrow.spark.data.DataException;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Iterator;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/** Bytes of an image file, decoded by the JDK. */
final class ImageFile {
  private static final int SHOWN_BYTES = 8;

  private ImageFile() {}

  static BufferedImage decode(byte[] file) {
    // ImageIO's own streams would go through files of a temporary folder.
    try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(file))) {
      Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
      if (!readers.hasNext()) {
        throw new DataException(
            "expected a file of "
                + String.join(", ", formats())
                + ", got "
                + file.length
                + " bytes that begin with "
                + HexFormat.ofDelimiter(" ")
                    .formatHex(file, 0, Math.min(SHOWN_BYTES, file.length)));
      }
      return decode(readers.next(), in, file.length);
    } catch (IOException e) {
      throw corrupt(file.length, e);
    }
  }

  private static Iterable<String> formats() {
    return Arrays.stream(ImageIO.getReaderFileSuffixes()).sorted().toList();
  }

  private static BufferedImage decode(ImageReader reader, ImageInputStream in, int length)
      throws IOException {
    try {
      reader.setInput(in, true, true);
      return reader.read(0);
    } catch (RuntimeException e) {
      // The JDK's readers meet bad bytes with exceptions of many kinds.
      throw corrupt(length, e);
    } finally {
      reader.dispose();
    }
  }

  private static DataException corrupt(int length, Exception cause) {
    return new DataException(
        "cannot decode an image of " + length + " bytes: " + cause.getMessage(), cause);
  }
}
