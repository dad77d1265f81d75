package dev.sparrow.spark.data;

import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;

/** Checks a source's columns before any job runs. */
public final class Columns {
  private Columns() {}

  /** The column must be one of the available. */
  static void check(String where, String column, Collection<String> available) {
    if (!available.contains(column)) {
      throw new DataException(where + ": " + Names.unknown("column", column, available));
    }
  }

  /** The column must exist and hold text. */
  public static void checkText(String where, StructType schema, String column) {
    DataType type = type(where, schema, column);
    if (!(type instanceof StringType)) {
      throw new DataException(
          where
              + ": column '"
              + column
              + "': expected text, got "
              + type.catalogString()
              + "; choose another column, or declare it as token ids");
    }
  }

  /** The column must exist and hold arrays of int or long. */
  public static void checkTokens(String where, StructType schema, String column) {
    DataType type = type(where, schema, column);
    boolean ids =
        type instanceof ArrayType array
            && (array.elementType().equals(DataTypes.IntegerType)
                || array.elementType().equals(DataTypes.LongType));
    if (!ids) {
      throw new DataException(
          where
              + ": column '"
              + column
              + "': expected array<int> or array<bigint>, got "
              + type.catalogString()
              + "; choose another column, or cast it");
    }
  }

  /** The column must exist. */
  public static void checkPresent(String where, StructType schema, String column) {
    type(where, schema, column);
  }

  private static DataType type(String where, StructType schema, String column) {
    List<String> available = Arrays.asList(schema.fieldNames());
    check(where, column, available);
    return schema.fields()[available.indexOf(column)].dataType();
  }
}
