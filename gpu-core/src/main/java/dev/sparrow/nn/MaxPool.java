package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvOps;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** The largest number of each channel in each window. */
public final class MaxPool implements ImageLayer {
  private final ConvOps ops;
  private ConvShape shape; // of the last pass
  private Tensor y; // (outRows, channels)
  private Tensor taps; // I32 (outRows, channels)
  private Tensor dx; // (rows, channels), scratch

  /**
   * @param image the window over one image
   */
  public MaxPool(Backend backend, ConvShape image) {
    this.ops = backend.conv();
    this.shape = image;
  }

  @Override
  public void reserve(Workspace workspace, int samples) {
    ConvShape batch = shape.withImages(samples);
    y = workspace.keep(batch.outRows(), shape.channels());
    taps = workspace.keep(DType.I32, batch.outRows(), shape.channels());
    dx = workspace.scratch("pool.dx", batch.rows(), shape.channels());
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    int images = x.rows() / (shape.height() * shape.width());
    shape = shape.images() == images ? shape : shape.withImages(images);
    ops.maxPool(shape, x, y.first(shape.outRows()), taps.first(shape.outRows()));
    return y.first(shape.outRows());
  }

  @Override
  public Tensor backward(Tensor dy) {
    Tensor result = dx.first(shape.rows());
    ops.maxPoolBackward(shape, dy, taps.first(shape.outRows()), result);
    return result;
  }
}
