package dev.sparrow.spark.data;

import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
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

  /** The type of a column, or of a field of one: {@code a.b} where no column has that name. */
  public static DataType type(String where, StructType schema, String column) {
    List<String> available = Arrays.asList(schema.fieldNames());
    String held = held(column, available);
    check(where, held, available);
    DataType type = schema.fields()[available.indexOf(held)].dataType();
    return held.equals(column) ? type : field(where, type, column, held.length() + 1);
  }

  private static DataType field(String where, DataType type, String column, int from) {
    for (String name : column.substring(from).split("\\.")) {
      List<String> fields =
          type instanceof StructType struct ? Arrays.asList(struct.fieldNames()) : List.of();
      if (!fields.contains(name)) {
        throw new DataException(
            where + ": column '" + column + "': " + Names.unknown("field", name, fields));
      }
      type = ((StructType) type).fields()[fields.indexOf(name)].dataType();
    }
    return type;
  }

  /** The column that holds what a name means: itself, or the struct whose field it is. */
  static String held(String column, Collection<String> available) {
    int dot = column.indexOf('.');
    boolean field = !available.contains(column) && dot > 0;
    return field && available.contains(column.substring(0, dot))
        ? column.substring(0, dot)
        : column;
  }

  /** The column, or field of one, of a DataFrame; other dots than fields' are part of the name. */
  public static Column of(Dataset<Row> rows, String column) {
    String held = held(column, Arrays.asList(rows.columns()));
    String quoted = "`" + held.replace("`", "``") + "`";
    return rows.col(quoted + column.substring(held.length()));
  }
}
