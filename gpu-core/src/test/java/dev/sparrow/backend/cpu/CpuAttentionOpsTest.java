package dev.sparrow.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.AttentionOps.Dropout;
import dev.sparrow.backend.AttentionShape;
import dev.sparrow.backend.Draws;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.tensor.Tensor;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention against the equations written out in double, around the sizes of blocks. */
class CpuAttentionOpsTest {
  private static final long SEED = 7;
  private static final RandomKey KEY = new RandomKey(11, 3);

  private final HostPool pool = new HostPool(3);
  private final CpuAttentionOps ops = new CpuAttentionOps(pool, Blas.get());
  private final SplittableRandom random = new SplittableRandom(SEED);

  @AfterEach
  void closePool() {
    pool.close();
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1, 0",
    "2, 5, 3, 7, 0",
    "1, 63, 2, 16, 0",
    "1, 64, 2, 16, 0.2",
    "2, 65, 1, 8, 0",
    "2, 130, 2, 32, 0",
    "1, 65, 2, 5, 0.5",
    "1, 1100, 1, 4, 0"
  })
  void forwardAndBackwardEqualTheEquations(int sequences, int length, int heads, int d, double p) {
    AttentionShape shape = new AttentionShape(sequences, length, heads, d);
    Dropout dropout = p == 0 ? Dropout.NONE : new Dropout(p, Draws.from(KEY, 12345));
    int tokens = shape.tokens();
    int width = shape.width();
    Tensor qkv = random(tokens, 3 * width);
    Tensor dout = random(tokens, width);
    Tensor out = random(tokens, width);
    Tensor lse = random(sequences * heads, length);
    Tensor dqkv = random(tokens, 3 * width);
    ops.forward(shape, qkv, dropout, out, lse);
    ops.backward(shape, qkv, out, lse, dout, dropout, dqkv);

    Oracle oracle = new Oracle(shape, dropout, HeapStorage.floats(qkv), HeapStorage.floats(dout));
    compare("out", oracle.out, HeapStorage.floats(out));
    compare("logSumExp", oracle.lse, HeapStorage.floats(lse));
    compare("dqkv", oracle.dqkv, HeapStorage.floats(dqkv));
  }

  @Test
  void largeScoresDoNotOverflow() {
    AttentionShape shape = new AttentionShape(1, 20, 1, 4);
    Tensor qkv = random(20, 12);
    for (int i = 0; i < 240; i++) {
      HeapStorage.floats(qkv)[i] *= i % 12 < 8 ? 40 : 1;
    }
    Tensor out = random(20, 4);
    ops.forward(shape, qkv, Dropout.NONE, out, random(1, 20));
    for (float value : HeapStorage.floats(out)) {
      assertTrue(Math.abs(value) <= 1, "a mean of values in [-1, 1], got " + value);
    }
  }

  @Test
  void repeatedCallsGiveTheSameBits() {
    AttentionShape shape = new AttentionShape(2, 100, 3, 8);
    Dropout dropout = new Dropout(0.3, Draws.from(KEY, 99));
    Tensor qkv = random(200, 72);
    Tensor dout = random(200, 24);
    float[][] outs = new float[2][200 * 24];
    float[][] gradients = new float[2][200 * 72];
    for (int run = 0; run < 2; run++) {
      Tensor out = HeapStorage.wrap(outs[run], 200, 24);
      Tensor lse = random(6, 100);
      ops.forward(shape, qkv, dropout, out, lse);
      Tensor dqkv = HeapStorage.wrap(gradients[run], 200, 72);
      ops.backward(shape, qkv, out, lse, dout, dropout, dqkv);
    }
    assertArrayEquals(outs[0], outs[1]);
    assertArrayEquals(gradients[0], gradients[1]);
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 1", "1, 7", "2, 70"})
  void cachedStepsEqualOnePass(int sequences, int prompt) {
    int length = prompt + 9;
    int heads = 2;
    int width = 10;
    AttentionShape whole = new AttentionShape(sequences, length, heads, 5);
    Tensor qkv = random(sequences * length, 3 * width);
    Tensor expected = random(sequences * length, width);
    ops.forward(whole, qkv, Dropout.NONE, expected, random(sequences * heads, length));

    Tensor keys = random(sequences, length + 2, width);
    Tensor values = random(sequences, length + 2, width);
    for (int position = 0; position < length; ) {
      int count = position == 0 ? prompt : Math.min(4, length - position);
      AttentionShape step = new AttentionShape(sequences, count, heads, 5);
      Tensor out = random(sequences * count, width);
      Tensor part = rows(qkv, sequences, length, position, count);
      ops.forwardCached(step, part, keys, values, position, out);
      Tensor same = rows(expected, sequences, length, position, count);
      compare("out at " + position, doubles(same), HeapStorage.floats(out));
      position += count;
    }
    AttentionShape tooLong = new AttentionShape(sequences, 3, heads, 5);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            ops.forwardCached(
                tooLong,
                random(3 * sequences, 3 * width),
                keys,
                values,
                length,
                random(3 * sequences, width)));
  }

  /** The equations of AttentionOps, pair by pair, in double. */
  private static final class Oracle {
    final double[] out;
    final double[] lse;
    final double[] dqkv;

    private final AttentionShape shape;
    private final float[] x;
    private final float[] dy;

    Oracle(AttentionShape shape, Dropout dropout, float[] x, float[] dy) {
      this.shape = shape;
      this.x = x;
      this.dy = dy;
      out = new double[shape.tokens() * shape.width()];
      lse = new double[shape.sequences() * shape.heads() * shape.length()];
      dqkv = new double[shape.tokens() * 3 * shape.width()];
      for (int head = 0; head < shape.sequences() * shape.heads(); head++) {
        for (int i = 0; i < shape.length(); i++) {
          row(head, i, dropout);
        }
      }
    }

    private void row(int head, int i, Dropout dropout) {
      int width = shape.width();
      int d = shape.headWidth();
      int column = head % shape.heads() * d;
      int first = head / shape.heads() * shape.length();
      int q = (first + i) * 3 * width + column;
      int o = (first + i) * width + column;
      int row = head * shape.length() + i;
      double scale = 1 / Math.sqrt(d);
      double[] p = new double[i + 1];
      double sum = 0;
      for (int j = 0; j <= i; j++) {
        int k = (first + j) * 3 * width + width + column;
        p[j] = Math.exp(scale * dot(x, q, x, k, d));
        sum += p[j];
      }
      lse[row] = Math.log(sum);
      double[] kept = new double[i + 1];
      double[] dp = new double[i + 1];
      double mean = 0;
      for (int j = 0; j <= i; j++) {
        p[j] /= sum;
        long draw = dropout.draws().counter() + (long) row * shape.length() + j;
        boolean keep =
            dropout.p() == 0 || Philox.uniform(dropout.draws().key(), draw) >= (float) dropout.p();
        kept[j] = keep ? 1 / (1 - dropout.p()) : 0;
        int v = (first + j) * 3 * width + 2 * width + column;
        dp[j] = kept[j] * dot(dy, o, x, v, d);
        mean += p[j] * dp[j];
        for (int c = 0; c < d; c++) {
          out[o + c] += p[j] * kept[j] * x[v + c];
          dqkv[v + c] += p[j] * kept[j] * dy[o + c];
        }
      }
      for (int j = 0; j <= i; j++) {
        int k = (first + j) * 3 * width + width + column;
        double ds = scale * p[j] * (dp[j] - mean);
        for (int c = 0; c < d; c++) {
          dqkv[q + c] += ds * x[k + c];
          dqkv[k + c] += ds * x[q + c];
        }
      }
    }

    private static double dot(float[] a, int a0, float[] b, int b0, int n) {
      double dot = 0;
      for (int c = 0; c < n; c++) {
        dot += (double) a[a0 + c] * b[b0 + c];
      }
      return dot;
    }
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

  /** Rows [from, from + count) of every sequence. */
  private static Tensor rows(Tensor x, int sequences, int length, int from, int count) {
    int columns = x.columns();
    float[] part = new float[sequences * count * columns];
    for (int s = 0; s < sequences; s++) {
      int at = (s * length + from) * columns;
      System.arraycopy(HeapStorage.floats(x), at, part, s * count * columns, count * columns);
    }
    return HeapStorage.wrap(part, sequences * count, columns);
  }

  private static double[] doubles(Tensor t) {
    double[] values = new double[(int) t.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = HeapStorage.floats(t)[i];
    }
    return values;
  }

  /** Every sum here has unit scale; errors of fp32 exp, scores and up to 1100 terms stay below. */
  private static void compare(String what, double[] expected, float[] actual) {
    int worst = 0;
    double worstExcess = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < expected.length; i++) {
      double excess = Math.abs(expected[i] - actual[i]) - 2e-6 - 4e-6 * Math.abs(expected[i]);
      if (!(excess <= worstExcess)) {
        worst = i;
        worstExcess = excess;
      }
    }
    String message =
        "%s[%d]: expected %s, got %s, seed %d"
            .formatted(what, worst, expected[worst], actual[worst], SEED);
    assertTrue(worstExcess <= 0, message);
  }
}
