package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.BatchNormOps;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import java.util.function.Consumer;

/**
 * Batch normalisation of each channel (Ioffe & Szegedy 2015) in the form and with the constants of
 * {@code torch.nn.BatchNorm2d}. A training pass takes the statistics of the micro-batch on its own
 * rank; the others take the running ones, which differ between ranks while they train and are
 * averaged before anyone reads them, see {@link Buffer#averaged}.
 */
public final class BatchNorm implements AutoCloseable {
  private static final double EPSILON = BatchNormOps.EPSILON;
  private static final double MOMENTUM = 0.1;

  private final Backend backend;
  private final BatchNormOps ops;
  private final String name;
  private final Parameter weight; // (channels)
  private final Parameter bias; // (channels)
  private final Tensor runningMean; // (channels)
  private final Tensor runningVariance; // (channels)
  private Tensor mean; // (channels), of the last training pass
  private Tensor rstd; // (channels)
  private Tensor x; // the caller's
  private Tensor y; // the caller's where it was rectified, else null

  public BatchNorm(Backend backend, String name, int channels) {
    this.backend = backend;
    this.ops = backend.batchNorm();
    this.name = name;
    this.weight = Parameter.vector(name + ".weight", Initializer.ONES, channels);
    this.bias = Parameter.vector(name + ".bias", Initializer.ZEROS, channels);
    this.runningMean = backend.allocate(channels);
    this.runningVariance = backend.allocate(channels);
    backend.elementwise().fill(runningVariance, 1);
  }

  public void parameters(Consumer<Parameter> sink) {
    sink.accept(weight);
    sink.accept(bias);
  }

  public void buffers(Consumer<Buffer> sink) {
    sink.accept(Buffer.averaged(name + ".running_mean", runningMean));
    sink.accept(Buffer.averaged(name + ".running_var", runningVariance));
  }

  /** The scale and the shift, both (channels). */
  public List<Parameter> parameters() {
    return List.of(weight, bias);
  }

  public long size() {
    return weight.size() + bias.size();
  }

  /**
   * Sets the running statistics.
   *
   * @param mean (channels)
   * @param variance (channels)
   */
  public void run(float[] mean, float[] variance) {
    backend.upload(mean, 0, runningMean);
    backend.upload(variance, 0, runningVariance);
  }

  public void reserve(Workspace workspace) {
    mean = workspace.keepFloat((int) weight.size());
    rstd = workspace.keepFloat((int) weight.size());
  }

  /**
   * {@code y = f((x - mean)·rstd·weight + bias (+ residual))}, f the rectifier or nothing.
   *
   * @param x (rows, channels); must stay as it is until backward
   * @param residual (rows, channels), or null
   * @param y (rows, channels); likewise
   */
  public void forward(Tensor x, Tensor residual, boolean rectified, Pass pass, Tensor y) {
    this.x = x;
    this.y = rectified ? y : null;
    if (pass.training()) {
      ops.statistics(x, EPSILON, MOMENTUM, mean, rstd, runningMean, runningVariance);
    } else {
      ops.inverseDeviation(runningVariance, EPSILON, rstd);
    }
    Tensor centre = pass.training() ? mean : runningMean;
    ops.apply(x, centre, rstd, weight.operand(), bias.operand(), residual, rectified, y);
  }

  /**
   * Adds the gradients of the parameters and writes that of the input.
   *
   * @param dy (rows, channels), becomes the gradient of the residual
   * @param dx (rows, channels), not dy
   */
  public void backward(Tensor dy, Tensor dx) {
    ops.backward(dy, y, x, mean, rstd, weight.operand(), dx, weight.gradient(), bias.gradient());
  }

  public void describe(LayerSummary.Sink sink) {
    sink.row(new LayerSummary(name, "BatchNorm " + weight.size(), size(), size(), 0));
  }

  /** Frees the running statistics: of a normalisation that leaves its model before the end. */
  @Override
  public void close() {
    backend.free(runningMean);
    backend.free(runningVariance);
  }
}
