package dev.sparrow.spark.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.CatalystTypeConverters;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.ArrowUtils;
import org.apache.spark.sql.vectorized.ArrowColumnVector;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.util.TaskCompletionListener;
import scala.Function1;

/**
 * Rows of one Arrow file inside a task, batch by batch. The file and its memory are released with
 * the last row or, where a task stops earlier, at its end.
 */
final class ArrowFileRows implements Iterator<Row> {
  private final Path file;
  private final StructType schema;
  private final BufferAllocator memory = new RootAllocator();
  private final OpenArrowFile open;
  private final Function1<Object, Object> toRow;
  private final List<FieldVector> decoded = new ArrayList<>();
  private Iterator<InternalRow> batch = List.<InternalRow>of().iterator();
  private boolean closed;

  ArrowFileRows(Configuration hadoop, Path file, StructType schema) throws IOException {
    this.file = file;
    this.schema = schema;
    this.toRow = CatalystTypeConverters.createToScalaConverter(schema);
    this.open = openOrRelease(hadoop);
    TaskContext.get().addTaskCompletionListener((TaskCompletionListener) context -> close());
    checkSchema();
  }

  private OpenArrowFile openOrRelease(Configuration hadoop) throws IOException {
    try {
      return OpenArrowFile.open(hadoop, file, memory);
    } catch (IOException | RuntimeException e) {
      memory.close();
      throw e;
    }
  }

  private void checkSchema() throws IOException {
    List<String> names =
        open.reader().getVectorSchemaRoot().getSchema().getFields().stream()
            .map(Field::getName)
            .toList();
    for (String column : schema.fieldNames()) {
      Columns.check(file.toString(), column, names);
      DataType expected = schema.apply(column).dataType();
      DataType got = ArrowUtils.fromArrowField(open.decodedField(column));
      if (!got.catalogString().equals(expected.catalogString())) {
        throw new DataException(
            file
                + ": column '"
                + column
                + "': expected "
                + expected.catalogString()
                + " as in the first file, got "
                + got.catalogString());
      }
    }
  }

  @Override
  public boolean hasNext() {
    while (!closed && !batch.hasNext()) {
      loadBatch();
    }
    return !closed;
  }

  @Override
  public Row next() {
    if (!hasNext()) {
      throw new NoSuchElementException("no more rows in " + file);
    }
    return (Row) toRow.apply(batch.next());
  }

  private void loadBatch() {
    releaseDecoded();
    try {
      if (!open.reader().loadNextBatch()) {
        close();
        return;
      }
      ColumnVector[] columns =
          Arrays.stream(schema.fieldNames()).map(this::column).toArray(ColumnVector[]::new);
      int rows = open.reader().getVectorSchemaRoot().getRowCount();
      batch = new ColumnarBatch(columns, rows).rowIterator();
    } catch (IOException | IllegalArgumentException e) {
      throw new DataException(file + ": cannot read a record batch: " + e.getMessage(), e);
    }
  }

  private ColumnVector column(String name) {
    FieldVector vector = open.vector(name);
    if (vector.getField().getDictionary() == null) {
      return new ArrowColumnVector(vector);
    }
    FieldVector values = open.decode(vector);
    decoded.add(values);
    return new ArrowColumnVector(values);
  }

  private void releaseDecoded() {
    decoded.forEach(FieldVector::close);
    decoded.clear();
  }

  private void close() {
    if (closed) {
      return;
    }
    closed = true;
    releaseDecoded();
    try (memory) {
      open.close();
    } catch (IOException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }
}
