package dev.sparrow.backend.cuda;

import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.EnumMap;
import java.util.Map;

/**
 * Launches of {@code gemm/split_gemm.cu}: a router's three products on tensor cores. Each fp32
 * operand is the sum of three bf16 parts, which are made in scratch before the product; logits and
 * the weight's gradient lose nothing of fp32, the input's gradient 2^-16 of each term, before it is
 * rounded to bf16.
 *
 * <p>The weight is split for the forward product and again for the input's gradient: 10·E·d bytes
 * beside the 2·T·d of x alone, a share of 5·E/T. To keep the parts from one to the other would need
 * to know when a weight changes, which no op is told.
 */
final class SplitGemm implements GemmEngine {
  /** What is multiplied, in which tile, with the kernel's threads and shared memory. */
  private enum Product {
    TALL_LOGITS("nt_bf16_f32_f32_256x64x32", 256, 64, 256, 143_360, 1),
    LOGITS("nt_bf16_f32_f32_128x64x32", 128, 64, 128, 81_920, 2),
    INPUT_GRADIENT("nn_f32_f32_bf16_128x128x32", 128, 128, 128, 98_304, 2),
    WEIGHT_GRADIENT("tn_f32_bf16_f32_64x256x32", 64, 256, 256, 143_360, 1);

    private final String entry;
    private final int rows;
    private final int columns;
    private final int threads;
    private final int sharedBytes;
    private final int blocksPerMultiprocessor;

    Product(
        String entry,
        int rows,
        int columns,
        int threads,
        int sharedBytes,
        int blocksPerMultiprocessor) {
      this.entry = "split_gemm_" + entry;
      this.rows = rows;
      this.columns = columns;
      this.threads = threads;
      this.sharedBytes = sharedBytes;
      this.blocksPerMultiprocessor = blocksPerMultiprocessor;
    }

    long tiles(GemmCall call) {
      long down = (call.m() + rows - 1) / rows;
      long across = (call.n() + columns - 1) / columns;
      return down * across;
    }
  }

  /**
   * Tokens from which a split weight pays. Per element it moves 12 bytes more, 4 + 6 to make the
   * parts and 6 to read them against 4: 3.6 ps at an H100's 3.35 TB/s, in which its CUDA cores do
   * 120 multiply-adds.
   */
  private static final int LEAST_TOKENS = 128;

  /**
   * Of the multiprocessors that tall tiles at least fill: from there on tiles of half the height
   * are no faster, since two of them meet on one multiprocessor, and read the weight twice as
   * often.
   */
  private static final double LEAST_FILLED = 0.5;

  private static final int PARTS = 3;

  /** Elements that the parts' strides are multiples of. */
  private static final int STRIDE_MULTIPLE = 8;

  private final KernelQueue queue;
  private final DepthParts depthParts;
  private final Launch split;
  private final Map<Product, Launch> products = new EnumMap<>(Product.class);
  private final Scratch left;
  private final Scratch right;

  SplitGemm(KernelQueue queue, DepthParts depthParts) {
    this.queue = queue;
    this.depthParts = depthParts;
    this.split = queue.kernel("split_f32_bf16");
    this.left = queue.scratch("parts of a router's gradient");
    this.right = queue.scratch("parts of a router's weight");
    for (Product product : Product.values()) {
      products.put(product, queue.kernel(product.entry));
    }
  }

  @Override
  public boolean fits(GemmCall call) {
    int tokens = call.form() == Form.TN ? call.k() : call.m();
    return !call.isGrouped()
        && call.isPlain()
        && tokens >= LEAST_TOKENS
        && isRouters(call)
        && call.isAlignedC()
        && runs(product(call));
  }

  /** Whether the types are a router's, and the operand in bf16 is aligned. */
  private static boolean isRouters(GemmCall call) {
    return switch (call.form()) {
      case NT -> are(call, DType.BF16, DType.F32, DType.F32) && call.isAlignedA();
      case NN -> are(call, DType.F32, DType.F32, DType.BF16);
      case TN -> are(call, DType.F32, DType.BF16, DType.F32) && call.isAlignedB();
    };
  }

  private static boolean are(GemmCall call, DType a, DType b, DType c) {
    return call.a().dtype() == a && call.b().dtype() == b && call.c().dtype() == c;
  }

  private Product product(GemmCall call) {
    return switch (call.form()) {
      case NT ->
          fillsInTallTiles(call) && runs(Product.TALL_LOGITS)
              ? Product.TALL_LOGITS
              : Product.LOGITS;
      case NN -> Product.INPUT_GRADIENT;
      case TN -> Product.WEIGHT_GRADIENT;
    };
  }

  private boolean fillsInTallTiles(GemmCall call) {
    return Product.TALL_LOGITS.tiles(call) >= LEAST_FILLED * queue.device().multiprocessors();
  }

  /** Devices of 8.6 and 8.9 have 99 KB of shared memory, those of 8.0 and 9.0 have 163 and more. */
  private boolean runs(Product product) {
    return product.sharedBytes <= products.get(product).kernel().mostDynamicBytes();
  }

  @Override
  public void run(GemmCall call) {
    if (call.a().dtype() == DType.F32) {
      call.readA(split(call.a(), left), stride(call.a()));
    }
    if (call.b().dtype() == DType.F32) {
      call.readB(split(call.b(), right), stride(call.b()));
    }
    Product product = product(call);
    long resident = (long) product.blocksPerMultiprocessor * queue.device().multiprocessors();
    int parts = depthParts.count(call, product.tiles(call), resident);
    Launch launch = products.get(product);
    launch
        .grid((int) Math.min(resident, product.tiles(call) * parts))
        .block(product.threads)
        .shared(product.sharedBytes);
    depthParts.run(launch, call, parts);
  }

  /** Device address of the bf16 parts of x, (3, rows, stride). */
  private long split(Tensor x, Scratch scratch) {
    long elements = (long) x.rows() * stride(x);
    long address = scratch.bytes(PARTS * elements * DType.BF16.bytes());
    queue
        .overElements(split, elements)
        .arguments()
        .tensor(x)
        .address(address)
        .int64(x.rows())
        .int32(x.columns())
        .int32(stride(x));
    queue.run(split);
    return address;
  }

  private static int stride(Tensor x) {
    return (x.columns() + STRIDE_MULTIPLE - 1) / STRIDE_MULTIPLE * STRIDE_MULTIPLE;
  }

  @Override
  public String description() {
    return "mma.sync kernels for fp32 as three bf16";
  }
}
