package dev.sparrow.backend.cuda;

import dev.sparrow.backend.ConvShape;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumMap;
import java.util.Map;

/**
 * Launches of {@code gemm/conv.cu}: convolutions on tensor cores, sm_80 and up, for bf16 images and
 * filters whose numbers are multiples of 8.
 */
final class ImplicitGemm {
  private static final int BLOCKS_PER_MULTIPROCESSOR = 2;

  /** Output pixels below which a part of a filter gradient is not worth a block of its own. */
  private static final int LEAST_DEPTH = 512;

  private static final int STRUCT_BYTES = 128;
  private static final int ALIGNMENT_BYTES = 16;
  private static final int MULTIPLE = 8;

  private enum Product {
    FORWARD("conv_forward_bf16_"),
    BACKWARD_INPUT("conv_backward_input_bf16_"),
    BACKWARD_WEIGHT("conv_backward_weight_f32_");

    private final String stem;

    Product(String stem) {
      this.stem = stem;
    }
  }

  private final KernelQueue queue;
  private final PartialSums sums;
  private final Scratch parts;
  private final Map<Product, Launch> large = new EnumMap<>(Product.class);
  private final Map<Product, Launch> small = new EnumMap<>(Product.class);
  private final ByteBuffer struct =
      ByteBuffer.allocateDirect(STRUCT_BYTES).order(ByteOrder.nativeOrder());
  private final WindowStruct window = new WindowStruct();

  ImplicitGemm(KernelQueue queue, PartialSums sums) {
    this.queue = queue;
    this.sums = sums;
    this.parts = queue.scratch("parts of filter gradients");
    for (Product product : Product.values()) {
      large.put(product, queue.kernel(product.stem + "128x128x32"));
      small.put(product, queue.kernel(product.stem + "64x64x32"));
    }
  }

  /**
   * @param out filters
   * @param operands in bf16 unless they are a gradient of filters
   */
  boolean fits(ConvShape s, int out, Tensor... operands) {
    boolean fits = s.channels() % MULTIPLE == 0 && out % MULTIPLE == 0 && s.images() > 0;
    for (Tensor operand : operands) {
      fits &= DeviceStorage.address(operand) % ALIGNMENT_BYTES == 0;
    }
    return fits && operands[0].dtype() == DType.BF16;
  }

  void forward(ConvShape s, Tensor x, Tensor w, Tensor y) {
    operands(DeviceStorage.address(x), s.channels(), w, s.patch(), DeviceStorage.address(y), 0);
    sizes(s.outRows(), y.columns(), s.patch(), 1, false);
    run(Product.FORWARD, s, s.outRows(), y.columns(), 1);
  }

  void backwardInput(ConvShape s, Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    int depth = s.taps() * dy.columns();
    operands(DeviceStorage.address(dy), dy.columns(), w, s.patch(), DeviceStorage.address(dx), 0);
    sizes(s.rows(), s.channels(), depth, 1, accumulate);
    run(Product.BACKWARD_INPUT, s, s.rows(), s.channels(), 1);
  }

  /** Cut into parts of the pixels, which are added in order. */
  void backwardWeight(ConvShape s, Tensor dy, Tensor x, Tensor dw) {
    int out = dy.columns();
    int blocks = BLOCKS_PER_MULTIPROCESSOR * queue.device().multiprocessors();
    long tiles = tiles(out, s.patch(), edge(out, s.patch(), blocks));
    int count = (int) Math.max(1, Math.min(blocks / tiles, s.outRows() / LEAST_DEPTH));
    long address = parts.bytes(count * dw.size() * Float.BYTES);
    operands(DeviceStorage.address(dy), out, x, s.channels(), address, dw.size());
    sizes(out, s.patch(), s.outRows(), count, false);
    run(Product.BACKWARD_WEIGHT, s, out, s.patch(), count);
    sums.add(address, count, dw.size(), dw);
  }

  /** The first half of GemmArguments in {@code gemm/gemm.cuh}. */
  private void operands(long a, long strideA, Tensor b, long strideB, long c, long strideOfPartsC) {
    struct
        .clear()
        .putLong(a)
        .putLong(DeviceStorage.address(b))
        .putLong(c)
        .putLong(0) // bias
        .putLong(0) // residual
        .putLong(0) // preactivation
        .putLong(0) // offsets
        .putLong(0) // from one group's b to the next
        .putLong(strideOfPartsC)
        .putLong(strideA)
        .putLong(strideB);
  }

  /** The second half. */
  private void sizes(int m, int n, int k, int parts, boolean accumulate) {
    struct
        .putLong(n) // rows of c are whole
        .putInt(m)
        .putInt(n)
        .putInt(k)
        .putInt(parts)
        .putInt(0) // activation
        .putInt(accumulate ? 1 : 0)
        .putLong(0) // rows
        .flip();
  }

  private void run(Product product, ConvShape s, int rows, int columns, int parts) {
    int multiprocessors = queue.device().multiprocessors();
    int edge = edge(rows, columns, multiprocessors);
    Launch launch = (edge == 128 ? large : small).get(product);
    long most = (long) BLOCKS_PER_MULTIPROCESSOR * multiprocessors;
    launch
        .grid((int) Math.min(most, tiles(rows, columns, edge) * parts))
        .block(2 * edge)
        .shared(4 * 2 * edge * 32 * 2) // four stages of two operands, 32 steps deep, in bf16
        .arguments()
        .struct(struct)
        .struct(window.of(s));
    queue.run(launch);
  }

  /** Of a tile: large ones where they fill the device and their columns. */
  private static int edge(int rows, int columns, int enough) {
    return columns > 64 && tiles(rows, columns, 128) >= enough ? 128 : 64;
  }

  private static long tiles(int rows, int columns, int edge) {
    return (long) ((rows + edge - 1) / edge) * ((columns + edge - 1) / edge);
  }
}
