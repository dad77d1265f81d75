package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.Names;
import java.io.Serializable;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.SpecializedGetters;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * The classes of a label column, and the number of each. Names are sorted by their bytes; whole
 * numbers must have no gaps, and go by their decimal digits.
 */
final class Labels implements Serializable {
  private static final long serialVersionUID = 1L;

  /** More are taken for a column that holds something else. */
  private static final int MOST = 100_000;

  /** Names in a message. */
  private static final int MOST_TOLD = 30;

  private final String column;
  private final DataType type;
  private final List<String> classes;
  private final Map<UTF8String, Integer> numbers = new HashMap<>();

  private Labels(String column, DataType type, List<String> classes) {
    this.column = column;
    this.type = type;
    this.classes = List.copyOf(classes);
    for (String name : classes) {
      numbers.put(UTF8String.fromString(name), numbers.size());
    }
  }

  /** The column must hold text or whole numbers. */
  static void check(String where, String column, DataType type) {
    boolean whole =
        List.of(DataTypes.ByteType, DataTypes.ShortType, DataTypes.IntegerType, DataTypes.LongType)
            .contains(type);
    if (!whole && !(type instanceof StringType)) {
      throw new DataException(
          where
              + ": column '"
              + column
              + "': expected classes as text or whole numbers, got "
              + type.catalogString()
              + "; set image.label-column");
    }
  }

  /** Of classes that are known. */
  static Labels of(String column, DataType type, List<String> classes) {
    return new Labels(column, type, classes);
  }

  /**
   * Of the classes that the data has.
   *
   * @param labels the column of that name in it
   */
  static Labels found(String where, String column, Dataset<Row> samples, Column labels) {
    DataType type = samples.select(labels).schema().fields()[0].dataType();
    Column sortable = type instanceof StringType ? labels : labels.cast(DataTypes.LongType);
    List<Row> found =
        samples
            .select(sortable.as("label"))
            .where("label is not null")
            .distinct()
            .orderBy("label")
            .limit(MOST + 1)
            .collectAsList();
    if (found.size() > MOST) {
      throw new DataException(
          "%s: column '%s': expected at most %,d classes, found more; set image.label-column"
              .formatted(where, column, MOST));
    }
    if (!(type instanceof StringType)) {
      checkGaps(where, column, found);
    }
    return of(column, type, found.stream().map(row -> String.valueOf(row.get(0))).toList());
  }

  private static void checkGaps(String where, String column, List<Row> sorted) {
    for (int i = 1; i < sorted.size(); i++) {
      long before = sorted.get(i - 1).getLong(0);
      if (sorted.get(i).getLong(0) != before + 1) {
        throw new DataException(
            where
                + ": column '"
                + column
                + "': expected whole numbers without gaps, found "
                + before
                + " and next "
                + sorted.get(i).getLong(0)
                + "; number the classes from 0, or name them by text");
      }
    }
  }

  List<String> classes() {
    return classes;
  }

  /** The class's number; the column is not null. */
  int number(SpecializedGetters row, int ordinal) {
    UTF8String name =
        type instanceof StringType
            ? row.getUTF8String(ordinal)
            : UTF8String.fromString(String.valueOf(row.get(ordinal, type)));
    Integer number = numbers.get(name);
    if (number == null) {
      throw new DataException("column '" + column + "': " + unknown(name.toString()));
    }
    return number;
  }

  private String unknown(String name) {
    return classes.size() <= MOST_TOLD
        ? Names.unknown("class", name, classes)
        : "class '%s' is none of the %,d known".formatted(name, classes.size());
  }
}
