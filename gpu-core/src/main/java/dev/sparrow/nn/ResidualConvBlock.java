package dev.sparrow.nn;

import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * The basic block of a residual network (He et al. 2016, §3): {@code y = relu(norm(conv(h)) +
 * shortcut(x))}, {@code h = relu(norm(conv(x)))}. The shortcut is x, or where the block changes
 * sizes a normalised convolution of single pixels, the paper's option B.
 */
public final class ResidualConvBlock implements ImageLayer {
  private final ConvNorm inner;
  private final ConvNorm outer;
  private final ConvNorm shortcut; // null: x itself
  private final int innerRows; // of one image
  private Tensor dinner; // (samples·innerRows, channels), scratch
  private Tensor dx; // (rows, channels), scratch; null where dy takes it

  /**
   * @param inner rectified
   * @param outer rectified; takes the shortcut before that
   * @param shortcut not rectified, or null
   */
  public ResidualConvBlock(ConvNorm inner, ConvNorm outer, ConvNorm shortcut) {
    this.inner = inner;
    this.outer = outer;
    this.shortcut = shortcut;
    this.innerRows = outer.image().rows();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    inner.parameters(sink);
    outer.parameters(sink);
    if (shortcut != null) {
      shortcut.parameters(sink);
    }
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    inner.buffers(sink);
    outer.buffers(sink);
    if (shortcut != null) {
      shortcut.buffers(sink);
    }
  }

  @Override
  public void reserve(Workspace workspace, int samples) {
    inner.reserve(workspace, samples);
    outer.reserve(workspace, samples);
    dinner =
        workspace.scratch(
            "residual.dinner", Math.multiplyExact(samples, innerRows), outer.image().channels());
    if (shortcut != null) {
      shortcut.reserve(workspace, samples);
      dx =
          workspace.scratch(
              "residual.dx",
              Math.multiplyExact(samples, inner.image().rows()),
              inner.image().channels());
    }
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    Tensor h = inner.forward(x, pass);
    return outer.forward(h, shortcut == null ? x : shortcut.forward(x, pass), pass);
  }

  /** {@code dx} of the shortcut first, to which that of the convolutions is added. */
  @Override
  public Tensor backward(Tensor dy) {
    int samples = dy.rows() / (outer.image().outHeight() * outer.image().outWidth());
    Tensor dh = dinner.first(samples * innerRows);
    outer.backward(dy, false, dh);
    Tensor result = dy;
    if (shortcut != null) {
      result = dx.first(samples * inner.image().rows());
      shortcut.backward(dy, false, result);
    }
    inner.backward(dh, true, result);
    return result;
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    inner.describe(sink);
    outer.describe(sink);
    if (shortcut != null) {
      shortcut.describe(sink);
    }
  }
}
