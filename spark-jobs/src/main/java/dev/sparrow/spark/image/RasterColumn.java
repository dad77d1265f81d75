package dev.sparrow.spark.image;

import dev.sparrow.data.ImageShape;
import dev.sparrow.spark.data.DataException;
import java.util.List;
import org.apache.spark.sql.catalyst.expressions.SpecializedGetters;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * Structs of Spark's image data source: height, width, channels and bytes of pixels, whose colours
 * lie as blue, green, red, and opacity where there is any (OpenCV's order).
 *
 * @param places of height, width, nChannels and data in the struct
 * @param fields of the struct
 */
record RasterColumn(int[] places, int fields, ImageSize size) implements ImageColumn {
  private static final List<String> NAMES = List.of("height", "width", "nChannels", "data");
  private static final int COLOURS = 3;

  RasterColumn(StructType struct, ImageSize size) {
    this(
        NAMES.stream().mapToInt(name -> (int) struct.getFieldIndex(name).get()).toArray(),
        struct.size(),
        size);
  }

  static boolean fits(StructType struct) {
    for (String name : NAMES) {
      boolean data = name.equals("data");
      scala.Option<Object> place = struct.getFieldIndex(name);
      if (place.isEmpty()) {
        return false;
      }
      StructField field = struct.fields()[(int) place.get()];
      if (!field.dataType().equals(data ? DataTypes.BinaryType : DataTypes.IntegerType)) {
        return false;
      }
    }
    return true;
  }

  @Override
  public Pixels read(SpecializedGetters row, int ordinal) {
    SpecializedGetters image = row.getStruct(ordinal, fields);
    if (image.isNullAt(places[3])) {
      return null;
    }
    byte[] data = image.getBinary(places[3]);
    // Spark marks what it could not decode so, where it was told to keep such rows.
    if (data.length == 0 || image.getInt(places[0]) < 1) {
      return null;
    }
    Pixels pixels =
        pixels(image.getInt(places[0]), image.getInt(places[1]), image.getInt(places[2]), data);
    return Raster.resized(pixels, size);
  }

  private static Pixels pixels(int height, int width, int channels, byte[] data) {
    boolean known = channels == 1 || channels == COLOURS || channels == COLOURS + 1;
    if (!known || width < 1 || data.length != (long) height * width * channels) {
      throw new DataException(
          "expected height x width x channels bytes in 1, 3 or 4 channels, got "
              + data.length
              + " bytes for "
              + height
              + " x "
              + width
              + " x "
              + channels);
    }
    if (channels == 1) {
      return Pixels.ofBytes(new ImageShape(height, width, 1), data);
    }
    byte[] colours = new byte[height * width * COLOURS];
    for (int i = 0; i < colours.length; i++) {
      int channel = i % COLOURS;
      colours[i] = data[i / COLOURS * channels + COLOURS - 1 - channel];
    }
    return Pixels.ofBytes(new ImageShape(height, width, COLOURS), colours);
  }
}
