package dev.sparrow.spark.data;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.Metadata;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.ArrowUtils;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Arrow IPC files (also called Feather version 2) as a DataFrame, one task per file; Spark has no
 * source for them. The schema is the first file's, and every other file must have the columns.
 */
final class ArrowFiles {
  private ArrowFiles() {}

  static Dataset<Row> open(SparkSession spark, List<String> paths, Set<String> columns) {
    List<Path> files = list(spark, paths);
    Configuration hadoop = spark.sparkContext().hadoopConfiguration();
    StructType schema = schema(hadoop, files.get(0), columns);
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    Broadcast<SerializableConfiguration> shared =
        context.broadcast(new SerializableConfiguration(hadoop));
    List<String> names = files.stream().map(Path::toString).toList();
    JavaRDD<Row> rows =
        context
            .parallelize(names, names.size())
            .flatMap(file -> new ArrowFileRows(shared.value().value(), new Path(file), schema));
    return spark.createDataFrame(rows, schema);
  }

  /** Files under the paths in the order of their names; hidden ones are left out. */
  static List<Path> list(SparkSession spark, List<String> paths) {
    Configuration hadoop = spark.sparkContext().hadoopConfiguration();
    List<Path> files = new ArrayList<>();
    try {
      for (String path : paths) {
        FileSystem fs = new Path(path).getFileSystem(hadoop);
        FileStatus[] found = fs.globStatus(new Path(path));
        if (found == null || found.length == 0) {
          throw new DataException("path " + path + " does not exist");
        }
        for (FileStatus status : found) {
          collect(fs, status, files);
        }
      }
    } catch (IOException e) {
      throw new DataException(String.join(", ", paths) + ": " + e.getMessage(), e);
    }
    if (files.isEmpty()) {
      throw new DataException(String.join(", ", paths) + ": no Arrow files found to read");
    }
    files.sort(Comparator.comparing(Path::toString));
    return files;
  }

  private static void collect(FileSystem fs, FileStatus status, List<Path> files)
      throws IOException {
    if (!status.isDirectory()) {
      files.add(status.getPath());
      return;
    }
    for (FileStatus child : fs.listStatus(status.getPath())) {
      String name = child.getPath().getName();
      if (!name.startsWith(".") && !name.startsWith("_")) {
        collect(fs, child, files);
      }
    }
  }

  private static StructType schema(Configuration hadoop, Path file, Set<String> columns) {
    try (BufferAllocator memory = new RootAllocator();
        OpenArrowFile open = OpenArrowFile.open(hadoop, file, memory)) {
      Schema schema = open.reader().getVectorSchemaRoot().getSchema();
      List<String> names = schema.getFields().stream().map(Field::getName).toList();
      StructField[] fields =
          columns.stream()
              .map(column -> Columns.held(column, names))
              .distinct()
              .map(column -> sparkField(open, file, column, names))
              .toArray(StructField[]::new);
      return new StructType(fields);
    } catch (FileNotFoundException e) {
      throw new DataException("path " + file + " does not exist", e);
    } catch (IOException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }

  private static StructField sparkField(
      OpenArrowFile open, Path file, String column, List<String> names) {
    Columns.check(file.toString(), column, names);
    Field field = open.decodedField(column);
    try {
      return new StructField(column, ArrowUtils.fromArrowField(field), true, Metadata.empty());
    } catch (RuntimeException e) {
      throw new DataException(
          file
              + ": column '"
              + column
              + "' has the Arrow type "
              + field.getType()
              + ", which Spark has no type for; expected text, binary, or a list of numbers with a sign",
          e);
    }
  }
}
