package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.HostLoop;
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
    backend.upload(words(backend.hostLoop(), pattern), 0, buffer.value());
  }

  /** A pattern's bits, see {@link SparseOps#mask}. */
  static int[] words(HostLoop loop, UniformPattern pattern) {
    int[] words = new int[SparseOps.maskWords(pattern.rows() * pattern.columns())];
    int[] indices = pattern.indices();
    // So many rows end where a word does: no two tasks meet in one.
    loop.ranges(
        pattern.rows(),
        Integer.SIZE,
        (first, end) -> {
          for (int live = firstLive(pattern, first); live < firstLive(pattern, end); live++) {
            int row = pattern.row(live) * pattern.columns();
            int start = pattern.start(live);
            for (int i = start; i < start + pattern.fanIn(); i++) {
              int place = row + indices[i];
              words[place / Integer.SIZE] |= 1 << place % Integer.SIZE;
            }
          }
        });
    return words;
  }

  /** Of the rows of the values, the first that is a row of the matrix from this one on. */
  private static int firstLive(UniformPattern pattern, int row) {
    int from = 0;
    int to = pattern.liveRows();
    while (from < to) {
      int middle = (from + to) >>> 1;
      if (pattern.row(middle) < row) {
        from = middle + 1;
      } else {
        to = middle;
      }
    }
    return from;
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
