package dev.sparrow.spark.image;

import dev.sparrow.data.ImageShape;
import dev.sparrow.spark.data.DataException;
import java.util.Set;
import org.apache.spark.sql.catalyst.expressions.SpecializedGetters;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;

/**
 * Arrays of numbers: flat, height x width x channels of the size that is set, or nested as rows of
 * pixels of channels (or of grey values). Whole numbers are bytes from 0 to 255 (of tinyint, whose
 * numbers have a sign, the same bits); others stay as they are. They are not resized.
 *
 * @param depth of the nesting: 1, 2 or 3
 * @param item of the innermost array
 */
record ArrayColumn(int depth, DataType item, ImageSize size) implements ImageColumn {
  private static final Set<DataType> BYTES =
      Set.of(DataTypes.ByteType, DataTypes.ShortType, DataTypes.IntegerType);
  private static final Set<DataType> FLOATS = Set.of(DataTypes.FloatType, DataTypes.DoubleType);
  private static final int DEEPEST = 3;
  private static final int WHITE = 255;

  ArrayColumn(String where, String name, ArrayType type, ImageSize size) {
    this(depth(type), item(type), size);
    if (depth == 1 && !size.isSet()) {
      throw new DataException(
          where
              + ": column '"
              + name
              + "': "
              + type.catalogString()
              + " does not tell the size of its images; set image.height and image.width");
    }
  }

  static boolean fits(ArrayType type) {
    DataType item = item(type);
    return depth(type) <= DEEPEST && (BYTES.contains(item) || FLOATS.contains(item));
  }

  private static int depth(ArrayType type) {
    return type.elementType() instanceof ArrayType inner ? 1 + depth(inner) : 1;
  }

  private static DataType item(ArrayType type) {
    return type.elementType() instanceof ArrayType inner ? item(inner) : type.elementType();
  }

  @Override
  public Pixels read(SpecializedGetters row, int ordinal) {
    ArrayData image = row.getArray(ordinal);
    if (image.numElements() == 0) {
      return null;
    }
    ImageShape shape = shape(image);
    Values values = new Values(shape.size());
    put(image, lengths(shape), 0, values);
    return FLOATS.contains(item)
        ? Pixels.ofFloats(shape, values.floats)
        : Pixels.ofBytes(shape, values.bytes);
  }

  private ImageShape shape(ArrayData image) {
    if (depth == 1) {
      int pixels = Math.multiplyExact(size.height(), size.width());
      int numbers = image.numElements();
      if (numbers % pixels != 0) {
        throw new DataException(
            "expected a multiple of image.height x image.width = %d x %d = %d numbers, got %d"
                .formatted(size.height(), size.width(), pixels, numbers));
      }
      return new ImageShape(size.height(), size.width(), numbers / pixels);
    }
    ArrayData first = inner(image, 0);
    int width = first.numElements();
    int channels = depth == DEEPEST && width > 0 ? inner(first, 0).numElements() : 1;
    if (width == 0 || channels == 0) {
      throw new DataException("expected rows of pixels, got a row of none");
    }
    if (size.isSet() && (size.height() != image.numElements() || size.width() != width)) {
      throw new DataException(
          ("expected %d x %d pixels as image.height and image.width say, got %d x %d; arrays are not"
                  + " resized")
              .formatted(size.height(), size.width(), image.numElements(), width));
    }
    return new ImageShape(image.numElements(), width, channels);
  }

  private static ArrayData inner(ArrayData array, int i) {
    if (array.isNullAt(i)) {
      throw new DataException("expected an array at place " + i + ", got null");
    }
    return array.getArray(i);
  }

  /** Items of the arrays at each depth. */
  private int[] lengths(ImageShape shape) {
    return switch (depth) {
      case 1 -> new int[] {shape.size()};
      case 2 -> new int[] {shape.height(), shape.width()};
      default -> new int[] {shape.height(), shape.width(), shape.channels()};
    };
  }

  private void put(ArrayData array, int[] lengths, int at, Values values) {
    requireLength(array, lengths[at]);
    boolean innermost = at == lengths.length - 1;
    for (int i = 0; i < array.numElements(); i++) {
      if (!innermost) {
        put(inner(array, i), lengths, at + 1, values);
      } else if (array.isNullAt(i)) {
        throw new DataException("number " + values.count + ": expected one, got null");
      } else {
        put(array, i, values);
      }
    }
  }

  private static void requireLength(ArrayData array, int expected) {
    if (array.numElements() != expected) {
      throw new DataException(
          "expected arrays of the first one's %d items, got %d"
              .formatted(expected, array.numElements()));
    }
  }

  private void put(ArrayData array, int i, Values values) {
    if (item.equals(DataTypes.ByteType)) {
      values.put(array.getByte(i));
    } else if (item.equals(DataTypes.ShortType)) {
      values.putLevel(array.getShort(i));
    } else if (item.equals(DataTypes.IntegerType)) {
      values.putLevel(array.getInt(i));
    } else if (item.equals(DataTypes.FloatType)) {
      values.put(array.getFloat(i));
    } else {
      values.put((float) array.getDouble(i));
    }
  }

  /** The numbers in their order. */
  private final class Values {
    private final byte[] bytes;
    private final float[] floats;
    private int count;

    Values(int size) {
      this.bytes = BYTES.contains(item) ? new byte[size] : null;
      this.floats = bytes == null ? new float[size] : null;
    }

    void put(byte value) {
      bytes[count++] = value;
    }

    void putLevel(int value) {
      if (value < 0 || value > WHITE) {
        throw new DataException("number " + count + ": expected 0 to 255, got " + value);
      }
      bytes[count++] = (byte) value;
    }

    void put(float value) {
      if (!Float.isFinite(value)) {
        throw new DataException("number " + count + ": expected a finite one, got " + value);
      }
      floats[count++] = value;
    }
  }
}
