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

  /** Rows and columns of a tile; its threads are twice as many. */
  private static final int LARGE = 128;

  private static final int SMALL = 64;

  /** Of a tile's operands in shared memory. */
  private static final int STAGES = 4;

  private static final int STAGE_DEPTH = 32;
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
    run(Product.FORWARD, window.of(s), edge(s.outRows(), y.columns()), s.outRows(), y.columns(), 1);
  }

  /** Lattice by lattice of the input's pixels: what a stride steps over is not multiplied. */
  void backwardInput(ConvShape s, Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    for (int y = 0; y < Math.min(s.stride(), s.height()); y++) {
      for (int x = 0; x < Math.min(s.stride(), s.width()); x++) {
        ConvLattice lattice = new ConvLattice(s, y, x);
        int pixels = lattice.pixels();
        operands(
            DeviceStorage.address(dy), dy.columns(), w, s.patch(), DeviceStorage.address(dx), 0);
        sizes(pixels, s.channels(), lattice.taps() * dy.columns(), 1, accumulate);
        int edge = edge(pixels, s.channels());
        run(Product.BACKWARD_INPUT, window.of(lattice), edge, pixels, s.channels(), 1);
      }
    }
  }

  /** Cut into parts of the pixels, which fill the device and are added in order. */
  void backwardWeight(ConvShape s, Tensor dy, Tensor x, Tensor dw) {
    int out = dy.columns();
    int edge = Math.min(out, s.patch()) > SMALL ? LARGE : SMALL;
    long wanted = blocks() / tiles(out, s.patch(), edge);
    int count = (int) Math.max(1, Math.min(wanted, s.outRows() / LEAST_DEPTH));
    long address = parts.bytes(count * dw.size() * Float.BYTES);
    operands(DeviceStorage.address(dy), out, x, s.channels(), address, dw.size());
    sizes(out, s.patch(), s.outRows(), count, false);
    run(Product.BACKWARD_WEIGHT, window.of(s), edge, out, s.patch(), count);
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

  private void run(Product product, ByteBuffer view, int edge, int rows, int columns, int parts) {
    Launch launch = (edge == LARGE ? large : small).get(product);
    launch
        .grid((int) Math.min(blocks(), tiles(rows, columns, edge) * parts))
        .block(2 * edge)
        .shared(STAGES * 2 * edge * STAGE_DEPTH * Short.BYTES)
        .arguments()
        .struct(struct)
        .struct(view);
    queue.run(launch);
  }

  private long blocks() {
    return (long) BLOCKS_PER_MULTIPROCESSOR * queue.device().multiprocessors();
  }

  /** Of a tile: large ones where they fill the device and do not pass the columns by half. */
  private int edge(int rows, int columns) {
    boolean fills = tiles(rows, columns, LARGE) >= queue.device().multiprocessors();
    return fills && columns > SMALL ? LARGE : SMALL;
  }

  private static long tiles(int rows, int columns, int edge) {
    return (long) ((rows + edge - 1) / edge) * ((columns + edge - 1) / edge);
  }
}
