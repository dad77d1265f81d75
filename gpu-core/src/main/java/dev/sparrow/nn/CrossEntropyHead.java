package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.LossOps;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * The last linear and its softmax cross-entropy, chunk by chunk of rows, so that no more than one
 * chunk's logits ever exist: (8192 tokens, 50257 classes) would take 1.6 GB.
 *
 * <p>Rows of logits are padded to what the backend moves fastest (a vocabulary of 50257 is not
 * even): the weight's added rows are zero, and padding takes no part in the softmax and has no
 * gradient.
 *
 * <p>With {@code z = x·Wᵀ}: {@code loss_i = logΣ_j exp(z_ij) - z_i,target}, {@code dz =
 * scale·(softmax(z) - onehot)}, {@code dx = dz·W}, {@code dW += dzᵀ·x}. In training a chunk goes
 * through all of it before the next one starts.
 */
public final class CrossEntropyHead {
  /** Bytes of a chunk's logits: long enough for GEMMs at full speed, small beside activations. */
  public static final long CHUNK_BYTES = 64L << 20;

  private final LossOps loss;
  private final MatmulOps matmul;
  private final String name;
  private final Parameter weight; // (classes, width)
  private final int classes;
  private final int columns; // classes and padding
  private final int width;
  private final boolean tied;
  private final long chunkBytes;
  private Tensor logits; // (chunk, columns), scratch
  private Tensor losses; // (tokens)
  private Tensor dx; // (tokens, width), scratch
  private int rows;

  /**
   * @param weight (classes, width), made with {@link Parameter#withRowMultiple} of the backend's
   *     column multiple
   * @param tied whether another layer declares the weight: it is then not counted here
   * @param chunkBytes most bytes of logits at a time
   */
  public CrossEntropyHead(
      Backend backend, String name, Parameter weight, boolean tied, long chunkBytes) {
    this.loss = backend.loss();
    this.matmul = backend.matmul();
    this.name = name;
    this.weight = weight;
    this.classes = weight.shape().dim(0);
    this.columns = weight.paddedShape().dim(0);
    this.width = weight.shape().dim(1);
    this.tied = tied;
    this.chunkBytes = chunkBytes;
  }

  /** A tied weight comes here again: a shared parameter may. */
  public void parameters(Consumer<Parameter> sink) {
    sink.accept(weight);
  }

  /** Takes memory for passes of at most {@code tokens} rows. */
  public void reserve(Workspace workspace, int tokens) {
    long rowBytes = (long) columns * workspace.backend().computeType().bytes();
    long most = Math.max(1, Math.min(tokens, chunkBytes / rowBytes));
    logits = workspace.scratch("head.logits", (int) most, columns);
    losses = workspace.keepFloat(tokens);
    dx = workspace.scratch("branch.dx", tokens, width);
  }

  /**
   * Loss, and the gradients of the weight and of x.
   *
   * @param x (tokens, width)
   * @param targets I32 (tokens)
   * @param scale factor of every token's gradient
   * @return (tokens, width), scratch
   */
  public Tensor forwardBackward(Tensor x, Tensor targets, double scale) {
    rows = x.rows();
    int chunk = chunk(rows);
    for (int start = 0; start < rows; start += chunk) {
      int count = Math.min(chunk, rows - start);
      Tensor part = x.slice(start, count);
      Tensor z = logits.first(count);
      logits(part, z);
      loss.crossEntropyWithGradient(
          z, classes, targets.slice(start, count), scale, losses.slice(start, count));
      matmul.backwardWeight(z, part, weight.paddedGradient(), null);
      matmul.backwardInput(z, weight.paddedOperand(), false, dx.slice(start, count));
    }
    return dx.first(rows);
  }

  /** Loss alone. */
  public void forward(Tensor x, Tensor targets) {
    rows = x.rows();
    int chunk = chunk(rows);
    for (int start = 0; start < rows; start += chunk) {
      int count = Math.min(chunk, rows - start);
      Tensor z = logits.first(count);
      logits(x.slice(start, count), z);
      loss.crossEntropy(z, classes, targets.slice(start, count), losses.slice(start, count));
    }
  }

  /**
   * Logits without a loss.
   *
   * @param x (rows, width)
   * @param out (rows, {@link #columns})
   */
  public void logits(Tensor x, Tensor out) {
    matmul.forward(x, weight.paddedOperand(), null, null, out);
  }

  /** Columns of a row of logits: the classes and, behind them, padding. */
  public int columns() {
    return columns;
  }

  /** Even chunks rather than full ones and a small rest. */
  private int chunk(int tokens) {
    int chunks = (tokens + logits.dim(0) - 1) / logits.dim(0);
    return (tokens + chunks - 1) / chunks;
  }

  /** {@code total = } the sum of the last pass's losses in nats, or {@code +=}: F64 (1). */
  public void lossSum(boolean accumulate, Tensor total) {
    loss.sum(losses.first(rows), accumulate, total);
  }

  /** {@link #lossSum}; waits for the device. */
  public double lossSumSync() {
    return loss.sumSync(losses.first(rows));
  }

  public void describe(LayerSummary.Sink sink) {
    long parameters = tied ? 0 : weight.size();
    String shared = tied ? ", the embedding's matrix" : "";
    String kind = "CrossEntropyHead %d -> %d, dense%s".formatted(width, classes, shared);
    sink.row(new LayerSummary(name, kind, parameters, parameters, 2.0 * weight.size()));
  }
}
