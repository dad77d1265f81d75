package dev.sparrow.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.HostPool;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Products against plain double loops, on every size where tiles begin, end or are missing. */
class CpuMatmulOpsTest {
  private static final long SEED = 20;

  private final HostPool pool = new HostPool(3);
  private final CpuMatmulOps ops = new CpuMatmulOps(pool, Blas.get());
  private final SplittableRandom random = new SplittableRandom(SEED);

  @AfterEach
  void closePool() {
    pool.close();
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "1, 300, 257",
    "7, 3, 5",
    "63, 64, 65",
    "511, 96, 17",
    "512, 128, 64",
    "513, 129, 33",
    "1025, 8, 256",
    "2049, 31, 1",
    "640, 513, 130"
  })
  void denseProductsEqualDoubleLoops(int rows, int out, int in) {
    Tensor x = random(rows, in);
    Tensor w = random(out, in);
    Tensor bias = random(out);
    Tensor dy = random(rows, out);
    Tensor y = random(rows, out);
    Tensor dx = random(rows, in);
    Tensor dw = random(out, in);
    Tensor dbias = random(out);

    double[] sum = product(x, 0, rows, in, false, w, 0, out, true);
    check("y", sum, y, 0, in, () -> ops.forward(x, w, null, null, y));
    double[] withBias = sum.clone();
    for (int i = 0; i < withBias.length; i++) {
      withBias[i] += HeapStorage.floats(bias)[i % out];
    }
    check("y with bias", withBias, y, 0, in, () -> ops.forward(x, w, bias, null, y));
    check("y += with bias", withBias, y, 1, in, () -> ops.forward(x, w, bias, y, y));
    check("y +=", sum, y, 1, in, () -> ops.forward(x, w, null, y, y));

    double[] dxs = product(dy, 0, rows, out, false, w, 0, in, false);
    check("dx", dxs, dx, 0, out, () -> ops.backwardInput(dy, w, false, dx));
    check("dx +=", dxs, dx, 1, out, () -> ops.backwardInput(dy, w, true, dx));

    double[] dws = product(dy, 0, out, rows, true, x, 0, in, false);
    float[] before = HeapStorage.floats(dbias).clone();
    check("dw", dws, dw, 1, rows, () -> ops.backwardWeight(dy, x, dw, dbias));
    double[] dbs = new double[out];
    for (int i = 0; i < rows * out; i++) {
      dbs[i % out] += HeapStorage.floats(dy)[i];
    }
    compare("dbias", plus(dbs, before, 1), HeapStorage.floats(dbias), rows);
    check("dw without bias", dws, dw, 1, rows, () -> ops.backwardWeight(dy, x, dw, null));
  }

  static int[][] loads() {
    int[] zipf = new int[64];
    Arrays.setAll(zipf, e -> 700 / (e + 1));
    return new int[][] {
      {1},
      {0, 1, 0},
      {5, 0, 0, 77},
      {0, 0, 1000, 0},
      {16, 16, 16, 16},
      {219, 2246, 5, 803, 1, 1117, 493, 0},
      zipf
    };
  }

  @ParameterizedTest
  @MethodSource("loads")
  void groupedProductsEqualDoubleLoops(int[] loads) {
    int out = 33;
    int in = 20;
    int experts = loads.length;
    int[] offsets = new int[experts + 1];
    for (int e = 0; e < experts; e++) {
      offsets[e + 1] = offsets[e] + loads[e];
    }
    int assigned = offsets[experts];
    int rows = assigned + 3; // the last are no expert's
    Tensor ends = HeapStorage.wrap(offsets, experts + 1);
    Tensor x = random(rows, in);
    Tensor w = random(experts, out, in);
    Tensor dy = random(rows, out);
    Tensor y = random(rows, out);
    Tensor dx = random(rows, in);
    Tensor dw = random(experts, out, in);

    float[] rest = Arrays.copyOfRange(HeapStorage.floats(y), assigned * out, rows * out);
    double[] ys = new double[assigned * out];
    double[] dxs = new double[assigned * in];
    double[] dws = new double[experts * out * in];
    for (int e = 0; e < experts; e++) {
      int first = offsets[e];
      int w0 = e * out * in;
      put(product(x, first * in, loads[e], in, false, w, w0, out, true), ys, first * out);
      put(product(dy, first * out, loads[e], out, false, w, w0, in, false), dxs, first * in);
      put(product(dy, first * out, out, loads[e], true, x, first * in, in, false), dws, w0);
    }
    check("y", ys, y, 0, in, () -> ops.groupedForward(x, w, ends, y));
    assertArrayEquals(
        rest, Arrays.copyOfRange(HeapStorage.floats(y), assigned * out, rows * out), "rows past");
    check("dx", dxs, dx, 0, out, () -> ops.groupedBackwardInput(dy, w, ends, false, dx));
    check("dx +=", dxs, dx, 1, out, () -> ops.groupedBackwardInput(dy, w, ends, true, dx));
    check("dw", dws, dw, 1, assigned, () -> ops.groupedBackwardWeight(dy, x, ends, dw));
  }

  @Test
  void sameInputAndThreadsGiveTheSameBits() {
    Tensor x = random(1500, 48);
    Tensor dy = random(1500, 200);
    Tensor first = HeapStorage.wrap(new float[200 * 48], 200, 48);
    Tensor firstBias = HeapStorage.wrap(new float[200], 200);
    ops.backwardWeight(dy, x, first, firstBias);
    for (int run = 0; run < 5; run++) {
      Tensor again = HeapStorage.wrap(new float[200 * 48], 200, 48);
      Tensor againBias = HeapStorage.wrap(new float[200], 200);
      ops.backwardWeight(dy, x, again, againBias);
      assertArrayEquals(HeapStorage.floats(first), HeapStorage.floats(again));
      assertArrayEquals(HeapStorage.floats(firstBias), HeapStorage.floats(againBias));
    }
  }

  /** What is done to tiles in the cache gives the bits that a pass over the whole tensor gives. */
  @ParameterizedTest
  @CsvSource({"1, 1, 1", "7, 3, 5", "513, 129, 33", "640, 513, 130"})
  void epiloguesGiveTheBitsOfSeparatePasses(int rows, int out, int in) {
    Tensor x = random(rows, in);
    Tensor w = random(out, in);
    Tensor bias = random(out);
    Tensor residual = random(rows, out);
    Tensor h = random(rows, out);
    Tensor y = random(rows, out);
    Tensor expected = random(rows, out);
    Tensor product = random(rows, out);
    ops.forward(x, w, bias, null, product);
    new CpuElementwiseOps(pool).add(residual, product, expected);
    ops.forward(x, w, bias, residual, y);
    assertArrayEquals(HeapStorage.floats(expected), HeapStorage.floats(y), "residual");
    CpuActivationOps activation = new CpuActivationOps(pool);
    for (Activation f : Activation.values()) {
      activation.forward(f, product, expected);
      ops.activatedForward(f, x, w, bias, h, y);
      assertArrayEquals(HeapStorage.floats(product), HeapStorage.floats(h), "h of " + f);
      assertArrayEquals(HeapStorage.floats(expected), HeapStorage.floats(y), f.name());
      Tensor dx = random(rows, in);
      Tensor dh = random(rows, in);
      ops.backwardInput(residual, w, false, dx);
      activation.backward(f, x, dx, dx);
      ops.activatedBackwardInput(f, residual, w, x, dh);
      assertArrayEquals(HeapStorage.floats(dx), HeapStorage.floats(dh), "dh of " + f);
    }
  }

  @Test
  void viewsIntoALargerBufferAreLeftAloneAround() {
    float[] arena = new float[100];
    Arrays.fill(arena, 7);
    Tensor all = HeapStorage.wrap(arena, 100);
    Tensor y = all.window(10, 6).reshape(2, 3);
    ops.forward(random(2, 4), random(3, 4), null, null, y);
    for (int i = 0; i < 100; i++) {
      assertTrue(i >= 10 && i < 16 || arena[i] == 7, "element " + i + " was written");
    }
  }

  @Test
  void javaBlasAgreesWithTheNativeOne() {
    CpuMatmulOps slow = new CpuMatmulOps(pool, Blas.java());
    Tensor x = random(65, 40);
    Tensor w = random(31, 40);
    Tensor bias = random(31);
    Tensor dy = random(65, 31);
    Tensor expected = random(65, 31);
    Tensor actual = random(65, 31);
    ops.forward(x, w, bias, null, expected);
    slow.forward(x, w, bias, null, actual);
    compare("y", doubles(expected), HeapStorage.floats(actual), 40);
    Tensor dw = HeapStorage.wrap(new float[31 * 40], 31, 40);
    slow.backwardWeight(dy, x, dw, null);
    compare("dw", product(dy, 0, 31, 65, true, x, 0, 40, false), HeapStorage.floats(dw), 65);
    Tensor dx = random(65, 40);
    slow.backwardInput(dy, w, false, dx);
    compare("dx", product(dy, 0, 65, 31, false, w, 0, 40, false), HeapStorage.floats(dx), 31);
  }

  @Test
  void wrongShapesSayWhatWasExpected() {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> ops.forward(random(4, 3), random(5, 2), null, null, random(4, 5)))
            .getMessage();
    assertTrue(message.contains("w: expected [5, 3], got [5, 2]"), message);
    Tensor falling = HeapStorage.wrap(new int[] {0, 3, 2}, 3);
    message =
        assertThrows(
                IllegalArgumentException.class,
                () -> ops.groupedForward(random(4, 3), random(2, 5, 3), falling, random(4, 5)))
            .getMessage();
    assertTrue(message.contains("got 3 before 2"), message);
    Tensor past = HeapStorage.wrap(new int[] {0, 3, 5}, 3);
    message =
        assertThrows(
                IllegalArgumentException.class,
                () -> ops.groupedForward(random(4, 3), random(2, 5, 3), past, random(4, 5)))
            .getMessage();
    assertTrue(message.contains("at most 4"), message);
  }

  private Tensor random(int... dims) {
    int size = 1;
    for (int dim : dims) {
      size *= dim;
    }
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return HeapStorage.wrap(values, dims);
  }

  /** {@code op(a)·op(b)} in double: op(a) is (m, k), op(b) is (k, n). */
  private static double[] product(
      Tensor a, int a0, int m, int k, boolean ta, Tensor b, int b0, int n, boolean tb) {
    float[] as = HeapStorage.floats(a);
    float[] bs = HeapStorage.floats(b);
    double[] c = new double[m * n];
    for (int i = 0; i < m; i++) {
      for (int p = 0; p < k; p++) {
        double left = as[a0 + (ta ? p * m + i : i * k + p)];
        for (int j = 0; j < n; j++) {
          c[i * n + j] += left * bs[b0 + (tb ? j * k + p : p * n + j)];
        }
      }
    }
    return c;
  }

  private static void put(double[] from, double[] to, int at) {
    System.arraycopy(from, 0, to, at, from.length);
  }

  private static double[] doubles(Tensor t) {
    return plus(new double[(int) t.size()], HeapStorage.floats(t), 1);
  }

  private static double[] plus(double[] a, float[] b, int factor) {
    double[] sum = a.clone();
    for (int i = 0; i < sum.length; i++) {
      sum[i] += factor * b[i];
    }
    return sum;
  }

  /** Runs an op and expects {@code product + before·y}. */
  private static void check(
      String what, double[] product, Tensor y, int before, int depth, Runnable op) {
    double[] expected = plus(product, HeapStorage.floats(y), before);
    op.run();
    compare(what, expected, HeapStorage.floats(y), depth);
  }

  /**
   * Factors lie in [-1, 1] at random: partial sums stay near sqrt(depth), each of the depth
   * roundings errs by 2^-24 of one, with random signs, which makes 2^-24·depth; twice that is
   * allowed, and some ulps for the value that was there before.
   */
  private static void compare(String what, double[] expected, float[] actual, int depth) {
    double tolerance = 0x1p-23 * (depth + 8);
    int worst = -1;
    double worstError = tolerance;
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(expected[i] - actual[i]);
      if (!(error <= worstError)) {
        worst = i;
        worstError = error;
      }
    }
    String message =
        worst < 0
            ? ""
            : "%s[%d]: expected %s, got %s, tolerance %s, seed %d"
                .formatted(what, worst, expected[worst], actual[worst], tolerance, SEED);
    assertTrue(worst < 0, message);
  }
}
