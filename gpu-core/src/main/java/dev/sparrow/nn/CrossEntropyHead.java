package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.LossOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * The last linear and its softmax cross-entropy, chunk by chunk of rows, so that no more than one
 * chunk's logits ever exist: (8192 tokens, 50257 classes) would take 1.6 GB.
 *
 * <p>With {@code z = x·Wᵀ}: {@code loss_i = logΣ_j exp(z_ij) - z_i,target}, {@code dz =
 * scale·(softmax(z) - onehot)}, {@code dx = dz·W}, {@code dW += dzᵀ·x}. In training a chunk goes
 * through all of it before the next one starts.
 */
public final class CrossEntropyHead {
  /** Bytes of a chunk's logits: long enough for GEMMs at full speed, small beside activations. */
  public static final long CHUNK_BYTES = 64L << 20;

  private final LossOps loss;
  private final String name;
  private final LinearWeight weight;
  private final boolean tied;
  private final long chunkBytes;
  private Tensor logits; // (chunk, classes), scratch
  private Tensor losses; // (tokens)
  private Tensor dx; // (tokens, width), scratch
  private int rows;

  /**
   * @param weight (classes, width)
   * @param tied whether another layer declares the weight: it is then not counted here
   * @param chunkBytes most bytes of logits at a time
   */
  public CrossEntropyHead(
      Backend backend, String name, LinearWeight weight, boolean tied, long chunkBytes) {
    this.loss = backend.loss();
    this.name = name;
    this.weight = weight;
    this.tied = tied;
    this.chunkBytes = chunkBytes;
  }

  /** A tied weight comes here again: a shared parameter may. */
  public void parameters(Consumer<Parameter> sink) {
    weight.parameters(sink);
  }

  /** Takes memory for passes of at most {@code tokens} rows. */
  public void reserve(Workspace workspace, int tokens) {
    long rowBytes = (long) weight.out() * workspace.backend().floatType().bytes();
    long most = Math.max(1, Math.min(tokens, chunkBytes / rowBytes));
    logits = workspace.scratch("head.logits", (int) most, weight.out());
    losses = workspace.keep(tokens);
    dx = workspace.scratch("branch.dx", tokens, weight.in());
    weight.reserve(workspace, (int) most);
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
      weight.forward(part, null, false, z);
      loss.crossEntropyWithGradient(
          z, targets.slice(start, count), scale, losses.slice(start, count));
      weight.backward(part, z, null, false, dx.slice(start, count));
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
      weight.forward(x.slice(start, count), null, false, z);
      loss.crossEntropy(z, targets.slice(start, count), losses.slice(start, count));
    }
  }

  /**
   * Logits without a loss.
   *
   * @param x (rows, width)
   * @param out (rows, classes)
   */
  public void logits(Tensor x, Tensor out) {
    weight.forward(x, null, false, out);
  }

  /** Even chunks rather than full ones and a small rest. */
  private int chunk(int tokens) {
    int chunks = (tokens + logits.dim(0) - 1) / logits.dim(0);
    return (tokens + chunks - 1) / chunks;
  }

  /** Sum of the last pass's losses in nats; waits for the device. */
  public double lossSumSync() {
    return loss.sumSync(losses.first(rows));
  }

  public void describe(LayerSummary.Sink sink) {
    long parameters = tied ? 0 : weight.parameterCount();
    String shared = tied ? ", the embedding's matrix" : "";
    String kind =
        "CrossEntropyHead %d -> %d, %s%s"
            .formatted(weight.in(), weight.out(), weight.kind(), shared);
    sink.row(new LayerSummary(name, kind, parameters, parameters, weight.forwardFlopsPerRow()));
  }
}
