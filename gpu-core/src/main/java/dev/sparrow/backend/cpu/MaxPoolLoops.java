package dev.sparrow.backend.cpu;

import dev.sparrow.backend.ConvShape;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/** Maximum pooling of one row of the output, and back for one image. */
final class MaxPoolLoops {
  private final ConvShape shape;

  MaxPoolLoops(ConvShape shape) {
    this.shape = shape;
  }

  void forward(int row, Tensor x, Tensor y, Tensor taps) {
    int channels = shape.channels();
    float[] ys = HeapStorage.floats(y);
    int[] ts = HeapStorage.ints(taps);
    int y0 = HeapStorage.offset(y) + row * channels;
    int t0 = HeapStorage.offset(taps) + row * channels;
    float[] xs = HeapStorage.floats(x);
    boolean first = true;
    for (int tap = 0; tap < shape.taps(); tap++) {
      int pixel = pixel(row, tap);
      if (pixel < 0) {
        continue;
      }
      int x0 = HeapStorage.offset(x) + pixel * channels;
      for (int c = 0; c < channels; c++) {
        float value = xs[x0 + c];
        // What is not a number stays one, so that a run that diverges shows it.
        if (first || value > ys[y0 + c] || value != value) {
          ys[y0 + c] = value;
          ts[t0 + c] = tap;
        }
      }
      first = false;
    }
  }

  void backward(int image, Tensor dy, Tensor taps, Tensor dx) {
    int channels = shape.channels();
    int size = shape.height() * shape.width() * channels;
    int places = shape.outHeight() * shape.outWidth();
    float[] dys = HeapStorage.floats(dy);
    float[] dxs = HeapStorage.floats(dx);
    int[] ts = HeapStorage.ints(taps);
    int dx0 = HeapStorage.offset(dx);
    Arrays.fill(dxs, dx0 + image * size, dx0 + (image + 1) * size, 0);
    for (int row = image * places; row < (image + 1) * places; row++) {
      int dy0 = HeapStorage.offset(dy) + row * channels;
      int t0 = HeapStorage.offset(taps) + row * channels;
      for (int c = 0; c < channels; c++) {
        dxs[dx0 + pixel(row, ts[t0 + c]) * channels + c] += dys[dy0 + c];
      }
    }
  }

  /** Row of the input at a place of the window, or -1 past the edge. */
  private int pixel(int row, int tap) {
    int line = row / shape.outWidth();
    int y = line % shape.outHeight() * shape.stride() - shape.padding() + tap / shape.kernel();
    int x = row % shape.outWidth() * shape.stride() - shape.padding() + tap % shape.kernel();
    boolean inside = y >= 0 && y < shape.height() && x >= 0 && x < shape.width();
    return inside ? (line / shape.outHeight() * shape.height() + y) * shape.width() + x : -1;
  }
}
