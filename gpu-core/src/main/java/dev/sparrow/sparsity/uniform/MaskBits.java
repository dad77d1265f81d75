package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.SparseOps;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Buffer;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;

/**
 * A bit for each weight of a matrix, or of stacked ones, on the device: {@code weight.mask} I32
 * (⌈elements/32⌉), see {@link SparseOps#mask}. As such an unstructured pattern is saved; a column
 * number for each of its non-zeros would take more memory below 97% zeros.
 */
final class MaskBits {
  private final Backend backend;
  private final PatternFormat format;
  private final int size;
  private final Buffer buffer;

  MaskBits(Backend backend, PatternFormat format) {
    this.backend = backend;
    this.format = format;
    this.size = format.rows() * format.columns();
    Tensor bits = backend.allocate(DType.I32, Shape.of(SparseOps.maskWords(size)));
    this.buffer = new Buffer(format.layer() + ".weight.mask", bits);
  }

  void write(UniformPattern pattern) {
    backend.upload(SparseOps.bits(pattern.places(), size), 0, buffer.value());
  }

  /**
   * The unstructured pattern that the bits hold since they were loaded.
   *
   * @throws IllegalArgumentException where a matrix has no non-zero or more of them than another,
   *     or where one lies past the last matrix
   */
  UniformPattern readSync() {
    int[] words = new int[SparseOps.maskWords(size)];
    backend.downloadSync(buffer.value(), words, 0);
    BitSet held = bits(words);
    int fanIn = held.cardinality() / format.rows();
    int[] columns = new int[held.cardinality()];
    int at = 0;
    for (int place = held.nextSetBit(0); place >= 0; place = held.nextSetBit(place + 1)) {
      // Of a place that belongs to another row the column is past the row's end, or negative.
      int row = fanIn == 0 ? 0 : at / fanIn;
      columns[at++] = place - row * format.columns();
    }
    return format.saved(fanIn, UniformPattern.allGroups(format.rows()), columns);
  }

  private static BitSet bits(int[] words) {
    ByteBuffer bytes = ByteBuffer.allocate(words.length * Integer.BYTES);
    bytes.order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().put(words);
    return BitSet.valueOf(bytes);
  }

  Buffer buffer() {
    return buffer;
  }

  void release() {
    backend.free(buffer.value());
  }
}
