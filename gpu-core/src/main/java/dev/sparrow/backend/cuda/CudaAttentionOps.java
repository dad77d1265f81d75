package dev.sparrow.backend.cuda;

import dev.sparrow.backend.AttentionOps;
import dev.sparrow.backend.AttentionShape;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * Launches of {@code nn/attention*.cu}: flash attention on tensor cores where the head width is a
 * multiple of 8 up to 128, causal and full in kernels of their own; plain kernels else; and the
 * kernels of the key-value cache.
 */
final class CudaAttentionOps implements AttentionOps {
  private static final int TILE_THREADS = 128;
  private static final int FORWARD_ROWS = 128;
  private static final int PLAIN_ROWS = 8;
  private static final int MOST_HEAD_WIDTH = 256;
  private static final int ALIGNMENT_BYTES = 16;

  /** New tokens from which flash attention beats a block for each of them. */
  private static final int LEAST_PROMPT = 32;

  /** One width of the tensor-core kernels, which serves those below it by zeros. */
  private static final class Tiles {
    final int headWidth;
    final int backwardRows;
    final Launch forward;
    final Launch forwardDropout;
    final Launch queries;
    final Launch queriesDropout;
    final Launch keys;
    final Launch keysDropout;

    /**
     * @param mask {@code attention} or {@code attention_full}
     * @param backwardRows of a block, as the kernels' headers state them
     * @param sharedBytes of a block of forward, backward_queries and backward_keys
     */
    Tiles(KernelQueue queue, String mask, int headWidth, int backwardRows, int[] sharedBytes) {
      this.headWidth = headWidth;
      this.backwardRows = backwardRows;
      this.forward = tile(queue, mask + "_forward_", headWidth, sharedBytes[0]);
      this.forwardDropout = tile(queue, mask + "_forward_dropout_", headWidth, sharedBytes[0]);
      this.queries = tile(queue, mask + "_backward_queries_", headWidth, sharedBytes[1]);
      this.queriesDropout =
          tile(queue, mask + "_backward_queries_dropout_", headWidth, sharedBytes[1]);
      this.keys = tile(queue, mask + "_backward_keys_", headWidth, sharedBytes[2]);
      this.keysDropout = tile(queue, mask + "_backward_keys_dropout_", headWidth, sharedBytes[2]);
    }

    private static Launch tile(KernelQueue queue, String stem, int width, int sharedBytes) {
      return queue.kernel(stem + "bf16_d" + width).block(TILE_THREADS).shared(sharedBytes);
    }
  }

  private final KernelQueue queue;
  private final TokenOrigin origin;
  private final Scratch rows;
  private final Tiles[] causal;
  private final Tiles[] full;
  private final Launch plainForward;
  private final Launch plainQueries;
  private final Launch plainKeys;
  private final Launch cached;
  private final Launch append;

  CudaAttentionOps(KernelQueue queue, TokenOrigin origin) {
    this.queue = queue;
    this.origin = origin;
    this.rows = queue.scratch("attention statistics");
    this.causal = tiles(queue, "attention");
    this.full = tiles(queue, "attention_full");
    this.plainForward = queue.kernel("attention_plain_forward_bf16");
    this.plainQueries = queue.kernel("attention_plain_backward_queries_bf16");
    this.plainKeys = queue.kernel("attention_plain_backward_keys_bf16");
    this.cached = queue.kernel("attention_cached_bf16");
    this.append = queue.kernel("attention_append_bf16");
  }

  private static Tiles[] tiles(KernelQueue queue, String mask) {
    return new Tiles[] {
      new Tiles(queue, mask, 32, 128, new int[] {24 << 10, 32 << 10, 33 << 10}),
      new Tiles(queue, mask, 64, 128, new int[] {48 << 10, 64 << 10, 65 << 10}),
      new Tiles(queue, mask, 128, 64, new int[] {80 << 10, 64 << 10, 129 << 9})
    };
  }

  @Override
  public void forward(
      AttentionShape shape, Tensor qkv, Dropout dropout, Tensor out, Tensor logSumExp) {
    requireActivations("attention", shape, qkv, out);
    requireStatistics("attention", shape, logSumExp);
    forward(shape, qkv, dropout, out, DeviceStorage.address(logSumExp));
  }

  private void forward(
      AttentionShape shape, Tensor qkv, Dropout dropout, Tensor out, long logSumExp) {
    Tiles fit = tiles(shape, qkv, out);
    boolean drops = dropout.p() > 0;
    Launch launch =
        fit == null ? plain(plainForward, shape) : drops ? fit.forwardDropout : fit.forward;
    if (fit != null) {
      over(launch, shape, FORWARD_ROWS);
    }
    long firstToken = drops ? origin.of(dropout.draws()) : 0;
    ArgumentBlock arguments = launch.arguments().tensor(qkv).tensor(out).address(logSumExp);
    finish(launch, arguments, shape, dropout, fit == null, firstToken);
  }

  @Override
  public void backward(
      AttentionShape shape,
      Tensor qkv,
      Tensor out,
      Tensor logSumExp,
      Tensor dout,
      Dropout dropout,
      Tensor dqkv) {
    requireActivations("attention backward", shape, qkv, out);
    requireStatistics("attention backward", shape, logSumExp);
    Doors.requireMatrix("attention backward: dout", dout, shape.tokens(), shape.width());
    Doors.requireMatrix("attention backward: dqkv", dqkv, shape.tokens(), 3L * shape.width());
    Doors.equalTypes("attention backward: qkv, dout, dqkv", qkv, dout, dqkv);
    Tiles fit = tiles(shape, qkv, out, dout, dqkv);
    boolean drops = dropout.p() > 0;
    long statistics = rows.bytes(2L * shape.tokens() * shape.heads() * Float.BYTES);
    long firstToken = drops ? origin.of(dropout.draws()) : 0;

    Launch queries =
        fit == null ? plain(plainQueries, shape) : drops ? fit.queriesDropout : fit.queries;
    Launch keys = fit == null ? plain(plainKeys, shape) : drops ? fit.keysDropout : fit.keys;
    if (fit != null) {
      over(queries, shape, fit.backwardRows);
      over(keys, shape, fit.backwardRows);
    }
    ArgumentBlock first =
        queries
            .arguments()
            .tensor(qkv)
            .tensor(out)
            .tensor(logSumExp)
            .tensor(dout)
            .address(statistics)
            .tensor(dqkv);
    finish(queries, first, shape, dropout, fit == null, firstToken);
    ArgumentBlock second =
        keys.arguments().tensor(qkv).tensor(dout).address(statistics).tensor(dqkv);
    finish(keys, second, shape, dropout, fit == null, firstToken);
  }

  /**
   * Packs the arguments that all kernels over whole sequences end with, and queues.
   *
   * @param isPlain whether the kernel is one of those that take the mask and dropout as arguments
   */
  private void finish(
      Launch launch,
      ArgumentBlock arguments,
      AttentionShape shape,
      Dropout dropout,
      boolean isPlain,
      long firstToken) {
    arguments.int32(shape.length()).int32(shape.heads()).int32(shape.headWidth());
    if (isPlain) {
      arguments.int32(shape.causal() ? 1 : 0);
    }
    arguments.float32(scale(shape));
    if (isPlain || dropout.p() > 0) {
      Dropped dropped = Dropped.of("attention", dropout.p());
      arguments.int32(dropped.below()).float32(dropped.scale()).draws(dropout.draws(), firstToken);
    }
    queue.run(launch);
  }

  @Override
  public void forwardCached(
      AttentionShape shape, Tensor qkv, Tensor keys, Tensor values, int position, Tensor out) {
    shape.requireCausal("cached attention");
    requireActivations("cached attention", shape, qkv, out);
    int capacity = capacity(shape, keys, values, position);
    if (position == 0 && shape.length() >= LEAST_PROMPT && tiles(shape, qkv, out) != null) {
      append(shape, qkv, keys, values, capacity);
      forward(shape, qkv, Dropout.NONE, out, 0);
      return;
    }
    int warps = KernelQueue.THREADS / 32;
    cached
        .grid(shape.length(), shape.heads(), shape.sequences())
        .block(KernelQueue.THREADS)
        .shared(warps * (shape.headWidth() + 2) * Float.BYTES);
    cached
        .arguments()
        .tensor(qkv)
        .tensor(keys)
        .tensor(values)
        .tensor(out)
        .int32(shape.length())
        .int32(shape.heads())
        .int32(shape.headWidth())
        .int32(capacity)
        .int32(position)
        .float32(scale(shape));
    queue.run(cached);
  }

  private void append(AttentionShape shape, Tensor qkv, Tensor keys, Tensor values, int capacity) {
    append.grid(shape.length(), shape.sequences(), 1).block(KernelQueue.threads(shape.width()));
    append
        .arguments()
        .tensor(qkv)
        .tensor(keys)
        .tensor(values)
        .int32(shape.width())
        .int32(capacity)
        .int32(0);
    queue.run(append);
  }

  private static float scale(AttentionShape shape) {
    return (float) (1 / Math.sqrt(shape.headWidth()));
  }

  /** The tensor-core kernels for the shape, or null where they do not take it. */
  private Tiles tiles(AttentionShape shape, Tensor... tensors) {
    if (shape.headWidth() % 8 != 0) {
      return null;
    }
    for (Tensor tensor : tensors) {
      if (DeviceStorage.address(tensor) % ALIGNMENT_BYTES != 0) {
        return null;
      }
    }
    for (Tiles candidate : shape.causal() ? causal : full) {
      if (shape.headWidth() <= candidate.headWidth) {
        return candidate;
      }
    }
    return null;
  }

  private static Launch over(Launch launch, AttentionShape shape, int rowsOfBlock) {
    return launch.grid(
        (shape.length() + rowsOfBlock - 1) / rowsOfBlock, shape.heads(), shape.sequences());
  }

  private static Launch plain(Launch launch, AttentionShape shape) {
    int stride = 2 * ((shape.headWidth() + 1) / 2 | 1);
    return over(launch, shape, PLAIN_ROWS).block(KernelQueue.THREADS).shared(160 * stride);
  }

  private static void requireActivations(String op, AttentionShape shape, Tensor qkv, Tensor out) {
    if (shape.headWidth() > MOST_HEAD_WIDTH) {
      throw new IllegalArgumentException(
          "%s: expected heads of at most %d columns on a GPU, got %d; use more heads"
              .formatted(op, MOST_HEAD_WIDTH, shape.headWidth()));
    }
    Doors.requireMatrix(op + ": qkv", qkv, shape.tokens(), 3L * shape.width());
    Doors.requireMatrix(op + ": out", out, shape.tokens(), shape.width());
    Doors.requireType(op + ": qkv", qkv, DType.BF16);
    Doors.requireType(op + ": out", out, DType.BF16);
  }

  private static void requireStatistics(String op, AttentionShape shape, Tensor logSumExp) {
    Doors.requireMatrix(
        op + ": logSumExp", logSumExp, (long) shape.sequences() * shape.heads(), shape.length());
    Doors.requireType(op + ": logSumExp", logSumExp, DType.F32);
  }

  private static int capacity(AttentionShape shape, Tensor keys, Tensor values, int position) {
    int capacity = (int) (keys.size() / ((long) shape.sequences() * shape.width()));
    keys.require("cached attention: keys", shape.sequences(), capacity, shape.width());
    values.require("cached attention: values", shape.sequences(), capacity, shape.width());
    Doors.requireType("cached attention: keys", keys, DType.BF16);
    Doors.requireType("cached attention: values", values, DType.BF16);
    if (position < 0 || position + shape.length() > capacity) {
      throw new IllegalArgumentException(
          "cached attention: position: expected 0 to %d, got %d"
              .formatted(capacity - shape.length(), position));
    }
    return capacity;
  }
}
