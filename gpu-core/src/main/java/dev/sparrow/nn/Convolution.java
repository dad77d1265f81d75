package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvOps;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * A convolution without bias: each row of its weight, a filter, multiplies the patches of the
 * images, see {@link ConvOps}. The weight has any form that a method chose. Some know how to
 * convolve, by {@link WindowProducts}; the others, which know products of rows, get patches, of a
 * few images at a time. Windows of one pixel need neither.
 */
public final class Convolution {
  /**
   * Numbers of patches that exist at a time, at most, unless one image has more: about what caches
   * hold. Twice as many and more took a sparse ResNet longer.
   */
  private static final long PATCH_NUMBERS = 1 << 21;

  private final ConvOps ops;
  private final String name;
  private final LinearWeight weight;
  private final int imagesAtATime;
  private ConvShape shape; // of the last pass
  private ConvShape some; // of its last images, where patches are made
  private Tensor patches; // (rows of some images, patch), scratch; null where none are made
  private Tensor dpatches; // likewise

  /**
   * @param name dotted path, the same as in the weight's spec
   * @param weight (out, {@link ConvShape#patch})
   * @param image the window over one image
   */
  public Convolution(Backend backend, String name, LinearWeight weight, ConvShape image) {
    this(backend, name, weight, image, PATCH_NUMBERS);
  }

  Convolution(
      Backend backend, String name, LinearWeight weight, ConvShape image, long patchNumbers) {
    if (weight.in() != image.patch()) {
      throw new IllegalArgumentException(
          name + ": expected a weight of " + image.patch() + " columns, got " + weight.in());
    }
    this.ops = backend.conv();
    this.name = name;
    this.weight = weight;
    this.shape = image.withImages(1);
    long ofOneImage = (long) shape.outRows() * shape.patch();
    this.imagesAtATime = (int) Math.max(1, patchNumbers / ofOneImage);
    this.some = shape;
  }

  public int out() {
    return weight.out();
  }

  public void parameters(Consumer<Parameter> sink) {
    weight.parameters(sink);
  }

  public void buffers(Consumer<Buffer> sink) {
    weight.buffers(sink);
  }

  public void reserve(Workspace workspace, int samples) {
    if (shape.isPointwise() || weight.alwaysHasWindows()) {
      weight.reserve(workspace, shape.withImages(samples));
    } else {
      int rows = shape.withImages(Math.min(samples, imagesAtATime)).outRows();
      weight.reserve(workspace, rows);
      patches = workspace.scratch("convolution.patches", rows, shape.patch());
      dpatches = workspace.scratch("convolution.dpatches", rows, shape.patch());
    }
  }

  /**
   * @param x (samples·height·width, channels)
   * @param y (samples·outHeight·outWidth, out)
   */
  public void forward(Tensor x, Pass pass, Tensor y) {
    take(x);
    WindowProducts windows = windows();
    if (windows != null) {
      windows.forward(shape, x, pass, y);
    } else if (shape.isPointwise()) {
      weight.forward(x, null, null, y);
    } else {
      for (int image = 0; image < shape.images(); image += imagesAtATime) {
        Tensor rows = patches(x, image);
        weight.forward(rows, null, null, outRows(y, image));
      }
    }
  }

  /**
   * Adds the weight's gradient, and writes that of x.
   *
   * @param x as in the forward pass
   * @param dy (samples·outHeight·outWidth, out), left as it is
   * @param dx as x, or null where the input needs no gradient; {@code +=} with accumulate
   */
  public void backward(Tensor x, Tensor dy, boolean accumulate, Tensor dx) {
    take(x);
    WindowProducts windows = windows();
    if (windows != null) {
      windows.backward(shape, x, dy, accumulate, dx);
    } else if (shape.isPointwise()) {
      weight.backward(x, dy, null, accumulate, dx);
    } else {
      for (int image = 0; image < shape.images(); image += imagesAtATime) {
        backward(x, dy, image, accumulate, dx);
      }
    }
  }

  /** How the weight makes this convolution by itself; null where it is given rows. */
  private WindowProducts windows() {
    WindowProducts windows = weight.windows();
    boolean rows = windows == null || shape.isPointwise() && !windows.takesPixels();
    return rows ? null : windows;
  }

  private void backward(Tensor x, Tensor dy, int image, boolean accumulate, Tensor dx) {
    Tensor rows = patches(x, image);
    Tensor drows = dx == null ? null : dpatches.first(some.outRows());
    weight.backward(rows, outRows(dy, image), null, false, drows);
    if (dx != null) {
      ops.patchesBackward(some, drows, accumulate, inRows(dx, image));
    }
  }

  /** Of the images from a number on. */
  private Tensor patches(Tensor x, int image) {
    int count = Math.min(imagesAtATime, shape.images() - image);
    some = some.images() == count ? some : shape.withImages(count);
    Tensor rows = patches.first(some.outRows());
    ops.patches(some, inRows(x, image), rows);
    return rows;
  }

  private Tensor inRows(Tensor x, int image) {
    return x.slice(image * shape.height() * shape.width(), some.rows());
  }

  private Tensor outRows(Tensor y, int image) {
    return y.slice(image * shape.outHeight() * shape.outWidth(), some.outRows());
  }

  /** As many images as x has. */
  private void take(Tensor x) {
    int images = x.rows() / (shape.height() * shape.width());
    shape = shape.images() == images ? shape : shape.withImages(images);
  }

  /** FLOPs of one image. */
  public void describe(LayerSummary.Sink sink) {
    String kind =
        "Convolution %d x %d%s, %d -> %d, %s"
            .formatted(
                shape.kernel(),
                shape.kernel(),
                shape.stride() == 1 ? "" : " / " + shape.stride(),
                shape.channels(),
                out(),
                weight.kind());
    long parameters = weight.parameterCount();
    LayerSummary row =
        new LayerSummary(name, kind, parameters, parameters, weight.forwardFlopsPerRow());
    sink.row(row.times(shape.outHeight() * shape.outWidth()));
  }
}
