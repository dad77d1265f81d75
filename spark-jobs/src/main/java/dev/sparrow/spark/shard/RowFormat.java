package dev.sparrow.spark.shard;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.List;

/** How rows of one kind lie in a shard file. */
interface RowFormat<R> extends Serializable {
  List<FixedColumn> columns();

  /**
   * @param memory of a record batch's values, one buffer a column
   */
  RowSink<R> sink(List<ByteBuffer> memory);

  /** Takes the rows of a record batch; what a row is made of may be used again after the call. */
  interface RowSink<R> {
    void put(R row, int index);
  }

  default int rowBytes() {
    return columns().stream().mapToInt(FixedColumn::rowBytes).reduce(0, Math::addExact);
  }
}
