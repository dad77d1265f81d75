package dev.sparrow.spark.data;

import java.io.IOException;
import org.apache.arrow.compression.CommonsCompressionFactory;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.dictionary.Dictionary;
import org.apache.arrow.vector.dictionary.DictionaryEncoder;
import org.apache.arrow.vector.ipc.ArrowFileReader;
import org.apache.arrow.vector.ipc.InvalidArrowFileException;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** An Arrow IPC file on a Hadoop file system, open for reading; compressed bodies are unpacked. */
final class OpenArrowFile implements AutoCloseable {
  private final ArrowFileReader reader;
  private final BufferAllocator memory;

  private OpenArrowFile(ArrowFileReader reader, BufferAllocator memory) {
    this.reader = reader;
    this.memory = memory;
  }

  /** Opens and reads the footer. */
  static OpenArrowFile open(Configuration hadoop, Path file, BufferAllocator memory)
      throws IOException {
    FileSystem fs = file.getFileSystem(hadoop);
    FSDataInputStream in = fs.open(file);
    ArrowFileReader reader =
        new ArrowFileReader(
            new HadoopByteChannel(in, fs.getFileStatus(file).getLen()),
            memory,
            CommonsCompressionFactory.INSTANCE);
    try {
      reader.getVectorSchemaRoot();
      return new OpenArrowFile(reader, memory);
    } catch (InvalidArrowFileException e) {
      reader.close();
      throw new DataException(
          file
              + " is not an Arrow IPC file (or is cut off, or is Feather version 1): "
              + e.getMessage(),
          e);
    } catch (IOException | RuntimeException e) {
      reader.close();
      throw e;
    }
  }

  ArrowFileReader reader() {
    return reader;
  }

  /** The field as it is once a dictionary is resolved. */
  Field decodedField(String column) {
    FieldVector vector = vector(column);
    return vector.getField().getDictionary() == null
        ? vector.getField()
        : dictionary(vector).getVector().getField();
  }

  FieldVector vector(String column) {
    try {
      return reader.getVectorSchemaRoot().getVector(column);
    } catch (IOException e) {
      throw new DataException("Arrow schema: " + e.getMessage(), e);
    }
  }

  /** Values of a dictionary-encoded vector; the caller closes what is returned. */
  FieldVector decode(FieldVector vector) {
    return (FieldVector) DictionaryEncoder.decode(vector, dictionary(vector), memory);
  }

  private Dictionary dictionary(FieldVector vector) {
    return reader.lookup(vector.getField().getDictionary().getId());
  }

  @Override
  public void close() throws IOException {
    reader.close();
  }
}
