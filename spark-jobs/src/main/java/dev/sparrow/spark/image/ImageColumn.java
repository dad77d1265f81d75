package dev.sparrow.spark.image;

import dev.sparrow.spark.data.DataException;
import java.io.Serializable;
import java.util.Arrays;
import org.apache.spark.sql.catalyst.expressions.SpecializedGetters;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Reads the images of a column of some type. Sent to tasks; any number of threads may use it. */
public interface ImageColumn extends Serializable {
  /**
   * The image of a row.
   *
   * @param row a row, whose column is not null
   * @return null where there is nothing to decode
   * @throws DataException where it cannot be decoded; names the cause, neither column nor row
   */
  Pixels read(SpecializedGetters row, int ordinal);

  /**
   * The reader for a column's type.
   *
   * @param where the source, for messages
   * @param size of all images; those that are files, or Spark's own image rows, are resized to it
   * @throws DataException where there is none
   */
  static ImageColumn of(String where, String name, DataType type, ImageSize size) {
    if (type.equals(DataTypes.BinaryType)) {
      return new FileColumn(FileColumn.NO_FIELD, 1, size);
    }
    if (type instanceof StructType struct) {
      if (RasterColumn.fits(struct)) {
        return new RasterColumn(struct, size);
      }
      int bytes = Arrays.asList(struct.fieldNames()).indexOf("bytes");
      if (bytes >= 0 && struct.fields()[bytes].dataType().equals(DataTypes.BinaryType)) {
        return new FileColumn(bytes, struct.size(), size);
      }
    }
    if (type instanceof ArrayType array && ArrayColumn.fits(array)) {
      return new ArrayColumn(where, name, array, size);
    }
    throw new DataException(
        where
            + ": column '"
            + name
            + "': expected images: binary (JPEG, PNG), a struct with a binary field 'bytes', Spark's"
            + " image type, or an array of numbers, got "
            + type.catalogString()
            + "; set image.column");
  }
}
