package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.data.ImageShape;
import dev.sparrow.nn.ConvNorm;
import dev.sparrow.nn.Convolution;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.MaxPool;
import dev.sparrow.nn.ResidualConvBlock;
import dev.sparrow.sparsity.Method;

/**
 * Makes the layers of a convolutional network one after the other, each for images as the one
 * before leaves them. Filters start at N(0, 2/in), in the numbers of a patch (He et al. 2015,
 * §2.2); the method chooses their form.
 */
final class ConvParts {
  private final Backend backend;
  private final Method method;
  private int height;
  private int width;
  private int channels;
  private boolean first = true;

  /**
   * @param image what the first layer sees
   */
  ConvParts(Backend backend, ImageShape image, Method method) {
    this.backend = backend;
    this.method = method;
    this.height = image.height();
    this.width = image.width();
    this.channels = image.channels();
  }

  int height() {
    return height;
  }

  int width() {
    return width;
  }

  int channels() {
    return channels;
  }

  /** A rectified convolution of 3 x 3 pixels that keeps the size, or halves it with stride 2. */
  ConvNorm convolution(String name, int out, int stride) {
    ConvShape window = window(3, stride, 1);
    ConvNorm made = convNorm(name, window, out, true);
    leave(window, out);
    return made;
  }

  private ConvNorm convNorm(String name, ConvShape window, int out, boolean rectified) {
    LinearSpec spec = new LinearSpec(name, window.patch(), out, Math.sqrt(2.0 / window.patch()));
    Convolution made = new Convolution(backend, name, method.convolutionWeight(spec), window);
    boolean readsImages = first;
    first = false;
    String norm = ConvNorm.normOf(name);
    return new ConvNorm(backend, made, norm, window, rectified, readsImages);
  }

  /** A basic residual block; its shortcut is a convolution where it changes sizes. */
  ResidualConvBlock residualBlock(String name, int out, int stride) {
    ConvShape pixels = window(1, stride, 0);
    boolean changes = stride > 1 || out != channels;
    ConvNorm inner = convolution(name + ".conv1", out, stride);
    ConvNorm outer = convolution(name + ".conv2", out, 1);
    ConvNorm shortcut = changes ? convNorm(name + ".shortcut", pixels, out, false) : null;
    return new ResidualConvBlock(inner, outer, shortcut);
  }

  /** The maxima of squares of 2 x 2 pixels; an odd last line or column is left out. */
  MaxPool halving() {
    ConvShape window = window(2, 2, 0);
    leave(window, channels);
    return new MaxPool(backend, window);
  }

  private ConvShape window(int kernel, int stride, int padding) {
    return new ConvShape(1, height, width, channels, kernel, stride, padding);
  }

  private void leave(ConvShape window, int out) {
    height = window.outHeight();
    width = window.outWidth();
    channels = out;
  }
}
