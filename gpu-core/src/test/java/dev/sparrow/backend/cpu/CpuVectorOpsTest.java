package dev.sparrow.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Draws;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.backend.UpdateSegments;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Each op against a plain double loop, at sizes around a vector and across chunks. */
class CpuVectorOpsTest {
  private static final int[] SIZES = {1, 7, 15, 16, 17, 33, 5000};

  @Test
  void dropoutIsTheDrawsOfItsKeyWhereverItStarts() {
    try (HostPool pool = new HostPool(2)) {
      CpuElementwiseOps ops = new CpuElementwiseOps(pool);
      RandomKey key = new RandomKey(0x9876543210L, -5);
      for (int n : SIZES) {
        for (long counter : new long[] {0, 1, 2, 3, (1L << 34) - 8}) {
          float[] x = values(n, 1);
          float[] y = new float[n];
          ops.dropout(
              HeapStorage.wrap(x, n), 0.3, Draws.from(key, counter), HeapStorage.wrap(y, n));
          for (int i = 0; i < n; i++) {
            boolean kept = Philox.uniform(key, counter + i) >= 0.3f;
            assertEquals(kept ? x[i] * (float) (1 / 0.7) : 0f, y[i], "n " + n + " i " + i);
          }
        }
      }
    }
  }

  @Test
  void activationsAndTheirSlopesMatchDoubles() {
    try (HostPool pool = new HostPool(2)) {
      CpuActivationOps ops = new CpuActivationOps(pool);
      for (Activation f : Activation.values()) {
        for (int n : SIZES) {
          float[] x = values(n, 2);
          float[] u = values(n, 3);
          float[] dy = values(n, 4);
          float[] y = new float[n];
          float[] dx = new float[n];
          ops.forward(f, HeapStorage.wrap(x, n), HeapStorage.wrap(y, n));
          ops.backward(f, HeapStorage.wrap(x, n), HeapStorage.wrap(dy, n), HeapStorage.wrap(dx, n));
          float[] g = x.clone();
          float[] up = u.clone();
          Tensor gate = HeapStorage.wrap(g, n);
          Tensor ups = HeapStorage.wrap(up, n);
          ops.gatedBackward(f, gate, ups, HeapStorage.wrap(dy, n), gate, ups);
          for (int i = 0; i < n; i++) {
            String at = f + " n " + n + " i " + i;
            assertEquals(value(f, x[i]), y[i], 1e-6 + 1e-6 * Math.abs(x[i]), at);
            assertEquals(slope(f, x[i]) * dy[i], dx[i], 1e-5, at);
            assertEquals(slope(f, x[i]) * dy[i] * u[i], g[i], 3e-5, at);
            assertEquals(value(f, x[i]) * dy[i], up[i], 3e-5, at);
          }
        }
      }
    }
  }

  private static double value(Activation f, double x) {
    return switch (f) {
      case GELU -> x * VectorMathTest.normalCdf(x);
      case GELU_TANH ->
          0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case SILU -> x / (1 + Math.exp(-x));
      case RELU -> Math.max(x, 0);
    };
  }

  private static double slope(Activation f, double x) {
    return (value(f, x + 1e-6) - value(f, x - 1e-6)) / 2e-6;
  }

  @Test
  void layerNormMatchesDoubles() {
    try (HostPool pool = new HostPool(2)) {
      CpuNormOps ops = new CpuNormOps(pool);
      for (int columns : SIZES) {
        int rows = 37;
        int n = rows * columns;
        float[] x = values(n, 5);
        float[] w = values(columns, 6);
        float[] dy = values(n, 7);
        float[] y = new float[n];
        float[] dx = new float[n];
        float[] dw = new float[columns];
        float[] db = new float[columns];
        Tensor mean = HeapStorage.wrap(new float[rows], rows);
        Tensor rstd = HeapStorage.wrap(new float[rows], rows);
        Tensor xs = HeapStorage.wrap(x, rows, columns);
        Tensor ws = HeapStorage.wrap(w, columns);
        ops.layerNorm(xs, ws, null, 0.1, HeapStorage.wrap(y, rows, columns), mean, rstd);
        ops.layerNormBackward(
            HeapStorage.wrap(dy, rows, columns),
            xs,
            ws,
            mean,
            rstd,
            false,
            HeapStorage.wrap(dx, rows, columns),
            HeapStorage.wrap(dw, columns),
            HeapStorage.wrap(db, columns));
        assertLayerNorm(rows, columns, x, w, dy, y, dx, dw, db);
      }
    }
  }

  private static void assertLayerNorm(
      int rows,
      int columns,
      float[] x,
      float[] w,
      float[] dy,
      float[] y,
      float[] dx,
      float[] dw,
      float[] db) {
    double[] dweight = new double[columns];
    double[] dbias = new double[columns];
    for (int r = 0; r < rows; r++) {
      double mean = 0;
      double variance = 0;
      double meanG = 0;
      double meanGn = 0;
      for (int c = 0; c < columns; c++) {
        mean += x[r * columns + c] / (double) columns;
      }
      for (int c = 0; c < columns; c++) {
        variance += Math.pow(x[r * columns + c] - mean, 2) / columns;
      }
      double rstd = 1 / Math.sqrt(variance + 0.1);
      for (int c = 0; c < columns; c++) {
        int i = r * columns + c;
        double normal = (x[i] - mean) * rstd;
        meanG += dy[i] * w[c] / (double) columns;
        meanGn += dy[i] * w[c] * normal / columns;
        dweight[c] += dy[i] * normal;
        dbias[c] += dy[i];
        assertEquals(normal * w[c], y[i], 3e-5);
      }
      for (int c = 0; c < columns; c++) {
        int i = r * columns + c;
        double normal = (x[i] - mean) * rstd;
        assertEquals(rstd * (dy[i] * w[c] - meanG - normal * meanGn), dx[i], 2e-4);
      }
    }
    for (int c = 0; c < columns; c++) {
      assertEquals(dweight[c], dw[c], 2e-4);
      assertEquals(dbias[c], db[c], 2e-4);
    }
  }

  @Test
  void crossEntropyMatchesDoublesAndSkipsIgnoredRows() {
    try (HostPool pool = new HostPool(2)) {
      CpuLossOps ops = new CpuLossOps(pool);
      for (int classes : SIZES) {
        float[] x = values(2 * classes, 8);
        float[] g = x.clone();
        float[] losses = {5, 5};
        Tensor targets = HeapStorage.wrap(new int[] {classes - 1, -1}, 2);
        ops.crossEntropyWithGradient(
            HeapStorage.wrap(g, 2, classes), classes, targets, 0.5, HeapStorage.wrap(losses, 2));
        double sum = 0;
        for (int c = 0; c < classes; c++) {
          sum += Math.exp(x[c]);
        }
        assertEquals(Math.log(sum) - x[classes - 1], losses[0], 2e-6);
        assertEquals(0, losses[1]);
        for (int c = 0; c < classes; c++) {
          assertEquals(0.5 * (Math.exp(x[c]) / sum - (c == classes - 1 ? 1 : 0)), g[c], 1e-7);
          assertEquals(0, g[classes + c]);
        }
        float[] plain = {5, 5};
        ops.crossEntropy(
            HeapStorage.wrap(x, 2, classes), classes, targets, HeapStorage.wrap(plain, 2));
        assertArrayEquals(losses, plain);
      }
      Tensor outside = HeapStorage.wrap(new int[] {3}, 1);
      Tensor one = HeapStorage.wrap(new float[1], 1);
      Tensor logits = HeapStorage.wrap(new float[3], 1, 3);
      assertThrows(IllegalArgumentException.class, () -> ops.crossEntropy(logits, 3, outside, one));
    }
  }

  @Test
  void tiesGoToTheLowerExpertAndNanStaysInRange() {
    try (HostPool pool = new HostPool(1)) {
      CpuRoutingOps ops = new CpuRoutingOps(pool);
      float[] logits = {1, 2, 2, 0, Float.NaN, 0, 0, 0};
      float[] p = new float[8];
      float[] w = new float[4];
      int[] e = new int[4];
      ops.topK(
          HeapStorage.wrap(logits, 2, 4),
          null,
          1,
          HeapStorage.wrap(p, 2, 4),
          HeapStorage.wrap(w, 2, 2),
          HeapStorage.wrap(e, 2, 2));
      assertArrayEquals(new int[] {1, 2, 0, 1}, e);
      assertEquals(0.5f, w[0]);
      assertEquals(0.5f, w[1]);
      assertTrue(Float.isNaN(w[2]) && Float.isNaN(p[7]));
    }
  }

  @Test
  void droppedAssignmentsSortLastAndAddNothing() {
    try (HostPool pool = new HostPool(2)) {
      CpuRoutingOps ops = new CpuRoutingOps(pool);
      int[] offsets = new int[4];
      int[] tokens = new int[6];
      int[] places = new int[6];
      Tensor starts = HeapStorage.wrap(offsets, 4);
      Tensor tokenOf = HeapStorage.wrap(tokens, 6);
      Tensor rowOf = HeapStorage.wrap(places, 3, 2);
      ops.sort(HeapStorage.wrap(new int[] {2, 0, -1, 2, -1, -1}, 3, 2), starts, tokenOf, rowOf);
      assertArrayEquals(new int[] {0, 1, 1, 3}, offsets);
      assertArrayEquals(new int[] {0, 0, 1, 0, 0, 0}, tokens);
      assertArrayEquals(new int[] {1, 0, -1, 2, -1, -1}, places);
      Tensor x = HeapStorage.wrap(new float[] {1, 2, 3, 4, 5, 6}, 3, 2);
      float[] rows = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
      Tensor y = HeapStorage.wrap(rows, 6, 2);
      ops.gather(x, rowOf, y);
      assertArrayEquals(new float[] {1, 2, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9}, rows);
      Tensor weights = HeapStorage.wrap(new float[] {2, 3, 4, 5, 6, 7}, 3, 2);
      float[] out = {8, 8, 8, 8, 8, 8};
      ops.scatter(y, rowOf, weights, false, HeapStorage.wrap(out, 3, 2));
      assertArrayEquals(new float[] {5, 10, 15, 20, 0, 0}, out);
      float[] dw = {1, 1, 1, 1, 1, 1};
      ops.scatterBackward(x, y, rowOf, weights, y, HeapStorage.wrap(dw, 3, 2));
      assertArrayEquals(new float[] {5, 5, 0, 25, 0, 0}, dw);
      assertEquals(3f, rows[0]);
    }
  }

  @Test
  void adamWMatchesDoubles() {
    try (HostPool pool = new HostPool(2)) {
      CpuOptimizerOps ops = new CpuOptimizerOps(pool);
      for (int n : SIZES) {
        float[] g = values(n, 9);
        float[] w = values(n, 10);
        float[] before = w.clone();
        Tensor ws = HeapStorage.wrap(w, n);
        Tensor m = HeapStorage.wrap(new float[n], n);
        Tensor v = HeapStorage.wrap(new float[n], n);
        ops.adamW(
            new OptimizerOps.AdamW(0.01, 0.9, 0.99, 1e-8, 0.1, 1),
            0.5,
            new OptimizerOps.Weights(
                HeapStorage.wrap(g, n), ws, null, UpdateSegments.whole(n, true)),
            m,
            v);
        for (int i = 0; i < n; i++) {
          double step = 0.5 * g[i] / (Math.abs(0.5 * g[i]) + 1e-8);
          assertEquals(before[i] * (1 - 0.001) - 0.01 * step, w[i], 1e-6, "n " + n + " i " + i);
        }
      }
    }
  }

  /** Every sum is split by shape alone, so any number of threads gives the same bits. */
  @Test
  void bitsDoNotDependOnTheNumberOfThreads() {
    List<float[]> first = results(1);
    for (int threads = 2; threads <= 3; threads++) {
      List<float[]> other = results(threads);
      for (int i = 0; i < first.size(); i++) {
        assertArrayEquals(first.get(i), other.get(i), "result " + i + ", threads " + threads);
      }
    }
  }

  private static List<float[]> results(int threads) {
    try (HostPool pool = new HostPool(threads)) {
      int rows = 1003;
      int columns = 77;
      int n = rows * columns;
      List<float[]> results = new ArrayList<>();
      Tensor x = HeapStorage.wrap(values(n, 11), rows, columns);
      float[] dx = new float[n];
      float[] dw = new float[columns];
      Tensor ones = HeapStorage.wrap(values(rows, 12), rows);
      Tensor weight = HeapStorage.wrap(values(columns, 13), columns);
      Tensor dweight = HeapStorage.wrap(dw, columns);
      Tensor gradient = HeapStorage.wrap(dx, rows, columns);
      new CpuNormOps(pool).rmsNormBackward(x, x, weight, ones, false, gradient, dweight);
      results.add(dx.clone());
      results.add(dw);
      int[] ids = new Random(14).ints(rows, 0, 50).toArray();
      float[] table = new float[50 * columns];
      new CpuEmbeddingOps(pool)
          .backward(HeapStorage.wrap(ids, rows), x, HeapStorage.wrap(table, 50, columns));
      results.add(table);
      CpuElementwiseOps elementwise = new CpuElementwiseOps(pool);
      double norm = elementwise.squaredNormSync(x);
      double sum = new CpuLossOps(pool).sumSync(x);
      results.add(new float[] {(float) norm, (float) (norm - (float) norm), (float) sum});
      return results;
    }
  }

  private static float[] values(int n, long seed) {
    Random random = new Random(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }
}
