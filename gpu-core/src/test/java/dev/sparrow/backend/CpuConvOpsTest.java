package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The CPU's convolutions, on one thread, on an even and on an odd number. */
class CpuConvOpsTest {
  @Nested
  class OneThread extends ConvOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(1);
    }
  }

  @Nested
  class TwoThreads extends ConvOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(2);
    }
  }

  @Nested
  class ThreeThreads extends ConvOpsContract {
    @Override
    protected Backend open() {
      return new CpuBackend(3);
    }
  }

  /** Few and many channels; the gradient of filters in parts, and by places of the window. */
  @ParameterizedTest
  @CsvSource({"40, 16, 16, 1", "9, 8, 136, 1", "40, 16, 24, 2"})
  void theNumberOfThreadsChangesNoBit(int images, int size, int channels, int stride) {
    ConvShape s = new ConvShape(images, size, size, channels, 3, stride, 1);
    assertArrayEquals(results(s, 1), results(s, 3));
  }

  /** y, dx and dw one after the other. */
  private static float[] results(ConvShape s, int threads) {
    int out = 24;
    try (Backend backend = new CpuBackend(threads)) {
      RandomValues random = new RandomValues(7);
      Tensor x = normal(backend, random, s.rows(), s.channels());
      Tensor w = normal(backend, random, out, s.patch());
      Tensor dy = normal(backend, random, s.outRows(), out);
      Tensor y = backend.allocate(s.outRows(), out);
      Tensor dx = backend.allocate(s.rows(), s.channels());
      Tensor dw = backend.allocate(out, s.patch());
      backend.conv().forward(s, x, w, y);
      backend.conv().backwardInput(s, dy, w, false, dx);
      backend.conv().backwardWeight(s, dy, x, dw);
      float[] all = new float[(int) (y.size() + dx.size() + dw.size())];
      backend.downloadSync(y, all, 0);
      backend.downloadSync(dx, all, (int) y.size());
      backend.downloadSync(dw, all, (int) (y.size() + dx.size()));
      return all;
    }
  }

  private static Tensor normal(Backend backend, RandomValues random, int rows, int columns) {
    Tensor tensor = backend.allocate(rows, columns);
    backend.upload(random.normal(rows * columns), 0, tensor);
    return tensor;
  }
}
