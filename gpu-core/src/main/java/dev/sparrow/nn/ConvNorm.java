package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * A convolution, its batch normalisation, and a rectifier unless it is left out: {@code z = P·Wᵀ},
 * {@code y = f(norm(z) (+ residual))}.
 */
public final class ConvNorm implements ImageLayer {
  private static final String CONVOLUTION = "conv";

  private final Convolution convolution;
  private final BatchNorm norm;
  private final ConvShape image;
  private final boolean rectified;
  private final boolean first;
  private Tensor z; // (outRows, out)
  private Tensor y; // (outRows, out)
  private Tensor dz; // (outRows, out), scratch
  private Tensor dx; // (rows, channels), scratch; null in a network's first layer
  private Tensor x; // the caller's

  /**
   * @param norm name of the normalisation
   * @param image the window over one image
   * @param first whether the input, the images, needs no gradient
   */
  public ConvNorm(
      Backend backend,
      Convolution convolution,
      String norm,
      ConvShape image,
      boolean rectified,
      boolean first) {
    this.convolution = convolution;
    this.norm = new BatchNorm(backend, norm, convolution.out());
    this.image = image;
    this.rectified = rectified;
    this.first = first;
  }

  /**
   * The name of the normalisation that follows a convolution: {@code norm1} of {@code conv1},
   * {@code shortcut_norm} of {@code shortcut}.
   *
   * @param convolution dotted path
   */
  public static String normOf(String convolution) {
    int last = convolution.lastIndexOf('.') + 1;
    String own = convolution.substring(last);
    return own.startsWith(CONVOLUTION)
        ? convolution.substring(0, last) + "norm" + own.substring(CONVOLUTION.length())
        : convolution + "_norm";
  }

  /** The window over one image. */
  ConvShape image() {
    return image;
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    convolution.parameters(sink);
    norm.parameters(sink);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    convolution.buffers(sink);
    norm.buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int samples) {
    ConvShape batch = image.withImages(samples);
    convolution.reserve(workspace, samples);
    norm.reserve(workspace);
    z = workspace.keep(batch.outRows(), convolution.out());
    y = workspace.keep(batch.outRows(), convolution.out());
    dz = workspace.scratch("convolution.dz", batch.outRows(), convolution.out());
    dx = first ? null : workspace.scratch("convolution.dx", batch.rows(), image.channels());
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    return forward(x, null, pass);
  }

  /**
   * @param residual (outRows, out) added before the rectifier, or null
   */
  Tensor forward(Tensor x, Tensor residual, Pass pass) {
    this.x = x;
    int rows = rowsOut(x);
    convolution.forward(x, pass, z.first(rows));
    norm.forward(z.first(rows), residual, rectified, pass, y.first(rows));
    return y.first(rows);
  }

  private int rowsOut(Tensor x) {
    return x.rows() / (image.height() * image.width()) * image.outHeight() * image.outWidth();
  }

  @Override
  public Tensor backward(Tensor dy) {
    Tensor result = first ? null : dx.first(x.rows());
    backward(dy, false, result);
    return result;
  }

  /**
   * @param dy becomes the gradient of the residual
   * @param result that of x, {@code +=} with accumulate; may be dy unless it accumulates
   */
  void backward(Tensor dy, boolean accumulate, Tensor result) {
    Tensor gradient = dz.first(dy.rows());
    norm.backward(dy, gradient);
    convolution.backward(x, gradient, accumulate, result);
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    convolution.describe(sink);
    norm.describe(sink);
  }
}
