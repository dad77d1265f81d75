package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.LossOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * The last linear of a classifier and its softmax cross-entropy, for classes few enough that all
 * logits of a micro-batch exist at once; {@link CrossEntropyHead} is for vocabularies. Its matrix
 * takes any form that a method may choose.
 *
 * <p>With {@code z = x·Wᵀ + b}: {@code loss_i = logΣ_j exp(z_ij) - z_i,label}, {@code dz =
 * scale·(softmax(z) - onehot)}.
 */
public final class ClassHead {
  private final Backend backend;
  private final LossOps loss;
  private final Linear linear;
  private Tensor logits; // (samples, classes); after forwardBackward their gradient
  private Tensor losses; // (samples)
  private Tensor dx; // (samples, in), scratch
  private int rows;

  /**
   * @param linear of as many columns as there are classes
   */
  public ClassHead(Backend backend, Linear linear) {
    this.backend = backend;
    this.loss = backend.loss();
    this.linear = linear;
  }

  public int classes() {
    return linear.out();
  }

  public void parameters(Consumer<Parameter> sink) {
    linear.parameters(sink);
  }

  public void buffers(Consumer<Buffer> sink) {
    linear.buffers(sink);
  }

  /** Takes memory for passes of at most {@code samples} rows. */
  public void reserve(Workspace workspace, int samples) {
    logits = workspace.keep(samples, classes());
    losses = workspace.keepFloat(samples);
    dx = workspace.scratch("class_head.dx", samples, linear.in());
    linear.reserve(workspace, samples);
  }

  /**
   * Loss, and the gradients of the weights and of x.
   *
   * @param x (samples, in)
   * @param labels I32 (samples), each in [0, classes)
   * @param scale factor of every sample's gradient
   * @return (samples, in), scratch, which the caller may change
   */
  public Tensor forwardBackward(Tensor x, Tensor labels, double scale) {
    Tensor z = logits(x);
    loss.crossEntropyWithGradient(z, classes(), labels, scale, losses.first(rows));
    Tensor result = dx.first(rows);
    linear.backward(x, z, false, result);
    return result;
  }

  /** Loss alone. */
  public void forward(Tensor x, Tensor labels) {
    loss.crossEntropy(logits(x), classes(), labels, losses.first(rows));
  }

  private Tensor logits(Tensor x) {
    rows = x.rows();
    Tensor z = logits.first(rows);
    linear.forward(x, null, z);
    return z;
  }

  /**
   * The logits of the last {@link #forward}; waits for the device.
   *
   * @param host receives (samples, classes) of that pass
   */
  public void logitsSync(float[] host) {
    backend.downloadSync(logits.first(rows), host, 0);
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
    linear.describe(sink);
  }
}
