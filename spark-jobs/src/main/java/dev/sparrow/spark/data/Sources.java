package dev.sparrow.spark.data;

import dev.sparrow.spark.data.SourceSpec.Format;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Opens a {@link SourceSpec} as a DataFrame; nothing but schemas is read yet. */
public final class Sources {
  private Sources() {}

  /**
   * All columns of the source; of Arrow files only the named ones.
   *
   * @param columns those that will be used, the document column among them
   */
  public static Dataset<Row> open(SparkSession spark, SourceSpec source, Set<String> columns) {
    try {
      return switch (source.format()) {
        case TABLE -> spark.table(source.table());
        case ARROW, FEATHER -> ArrowFiles.open(spark, source.paths(), new TreeSet<>(columns));
        default -> openFiles(spark, source);
      };
    } catch (DataException e) {
      throw e;
    } catch (Exception e) {
      // Spark declares none of its checked AnalysisExceptions to Java.
      throw new DataException(problem(source, e), e);
    }
  }

  private static Dataset<Row> openFiles(SparkSession spark, SourceSpec source) throws IOException {
    // Spark finds this out, too, but only after it has logged a stack trace.
    for (String path : source.paths()) {
      Path glob = new Path(path);
      FileStatus[] found =
          glob.getFileSystem(spark.sparkContext().hadoopConfiguration()).globStatus(glob);
      if (found == null || found.length == 0) {
        throw new DataException("path " + path + " does not exist");
      }
    }
    return spark
        .read()
        .format(source.format().label())
        .options(options(source))
        .load(source.paths().toArray(String[]::new));
  }

  /** A CSV file without a header has no column to name, so a header is the default. */
  private static Map<String, String> options(SourceSpec source) {
    Map<String, String> options = new HashMap<>();
    if (source.format() == Format.CSV) {
      options.put("header", "true");
    }
    options.putAll(source.options());
    return options;
  }

  private static String problem(SourceSpec source, Exception e) {
    String message = String.valueOf(e.getMessage());
    if (message.contains("TABLE_OR_VIEW_NOT_FOUND")) {
      return "table " + source.table() + " is not found; check name, database and catalog";
    }
    if (message.contains("UNABLE_TO_INFER_SCHEMA")) {
      return source.where() + ": no " + source.format().label() + " files found to read";
    }
    return source.where() + ": " + message.lines().findFirst().orElse(e.toString());
  }

  /** Files the rows come from, as Spark lists them; empty where a source is not made of files. */
  public static List<String> files(SparkSession spark, SourceSpec source, Dataset<Row> rows) {
    return switch (source.format()) {
      case ARROW, FEATHER ->
          ArrowFiles.list(spark, source.paths()).stream().map(Object::toString).toList();
      default -> List.of(rows.inputFiles());
    };
  }
}
