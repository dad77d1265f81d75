package dev.sparrow.spark.shard;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.vector.BaseFixedWidthVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;

/**
 * A column of a shard file, never null, whose rows all have the same size: in a record batch they
 * lie side by side.
 *
 * @param item int32, uint8 or float32
 * @param items of a row's list; 0: no list but one item
 * @param metadata of the field, such as an extension type's name
 */
record FixedColumn(String name, ArrowType item, int items, Map<String, String> metadata) {
  static final ArrowType INT32 = new ArrowType.Int(32, true);
  static final ArrowType UINT8 = new ArrowType.Int(8, false);
  static final ArrowType FLOAT32 = new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE);

  FixedColumn {
    metadata = Map.copyOf(metadata);
  }

  static FixedColumn list(String name, ArrowType item, int items) {
    return new FixedColumn(name, item, items, Map.of());
  }

  static FixedColumn scalar(String name, ArrowType item) {
    return new FixedColumn(name, item, 0, Map.of());
  }

  private boolean isList() {
    return items > 0;
  }

  Field field() {
    if (!isList()) {
      return new Field(name, new FieldType(false, item, null, metadata), null);
    }
    Field child = new Field("item", FieldType.notNullable(item), null);
    FieldType list = new FieldType(false, new ArrowType.FixedSizeList(items), null, metadata);
    return new Field(name, list, List.of(child));
  }

  int rowBytes() {
    return Math.multiplyExact(item.equals(UINT8) ? 1 : 4, Math.max(1, items));
  }

  /** Buffers of the column in a record batch: its validity, a list's items' validity, values. */
  int buffers() {
    return isList() ? 3 : 2;
  }

  /**
   * Memory of so many rows' values, all of them valid once and for all: only values change from
   * batch to batch.
   */
  ByteBuffer allocate(FieldVector vector, int rows) {
    vector.setInitialCapacity(rows);
    BaseFixedWidthVector values;
    if (vector instanceof FixedSizeListVector list) {
      values = (BaseFixedWidthVector) list.getDataVector();
      values.setInitialCapacity(Math.multiplyExact(rows, items));
    } else {
      values = (BaseFixedWidthVector) vector;
    }
    vector.allocateNew();
    setAllBits(vector.getValidityBuffer());
    setAllBits(values.getValidityBuffer());
    ArrowBuf data = values.getDataBuffer();
    return data.nioBuffer(0, Math.toIntExact(data.capacity())).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void setAllBits(ArrowBuf bits) {
    bits.setOne(0, bits.capacity());
  }
}
