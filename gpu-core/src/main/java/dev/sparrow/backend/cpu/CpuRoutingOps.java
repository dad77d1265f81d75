package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Draws;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.backend.RoutingOps;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/** Routing, permutation and weighing of a mixture-of-experts layer. */
final class CpuRoutingOps implements RoutingOps {
  private static final int GRAIN = 1 << 15;

  private final HostPool pool;

  /** Next row of each expert in the counting sort. Grown, never shrunk. */
  private int[] cursors = new int[0];

  CpuRoutingOps(HostPool pool) {
    this.pool = pool;
  }

  @Override
  public void jitter(Tensor x, double epsilon, Draws draws, boolean accumulate, Tensor out) {
    RandomKey key = draws.key();
    long counter = draws.counter();
    int n = Sizes.equal("jitter", x, out);
    if (!(epsilon >= 0 && epsilon < 1)) {
      throw new IllegalArgumentException("jitter: expected epsilon in [0, 1), got " + epsilon);
    }
    float[] xs = HeapStorage.floats(x);
    float[] os = HeapStorage.floats(out);
    int xo = HeapStorage.offset(x);
    int oo = HeapStorage.offset(out);
    pool.ranges(
        n,
        GRAIN,
        (from, to) ->
            PhiloxJitter.apply(
                xs, xo + from, epsilon, key, counter + from, accumulate, os, oo + from, to - from));
  }

  @Override
  public void load(Tensor offsets, Tensor load) {
    Sizes.require("load: offsets", offsets, load.size() + 1);
    int[] os = HeapStorage.ints(offsets);
    int[] ls = HeapStorage.ints(load);
    int oo = HeapStorage.offset(offsets);
    int lo = HeapStorage.offset(load);
    for (int e = 0; e < (int) load.size(); e++) {
      ls[lo + e] = os[oo + e + 1] - os[oo + e];
    }
  }

  @Override
  public void addLoad(Tensor load, Tensor sums) {
    int n = Sizes.equal("addLoad: load, sums", load, sums);
    int[] ls = HeapStorage.ints(load);
    int[] ss = HeapStorage.ints(sums);
    int lo = HeapStorage.offset(load);
    int so = HeapStorage.offset(sums);
    for (int e = 0; e < n; e++) {
      ss[so + e] += ls[lo + e];
    }
  }

  @Override
  public void loadBalancingGradient(Tensor load, double scale, Tensor dprobabilities) {
    int n = Sizes.equal("loadBalancingGradient: load, dprobabilities", load, dprobabilities);
    int[] ls = HeapStorage.ints(load);
    float[] ds = HeapStorage.floats(dprobabilities);
    int lo = HeapStorage.offset(load);
    int dof = HeapStorage.offset(dprobabilities);
    for (int e = 0; e < n; e++) {
      ds[dof + e] = (float) (scale * ls[lo + e]);
    }
  }

  @Override
  public void topK(
      Tensor logits,
      Tensor bias,
      double normalization,
      Tensor probabilities,
      Tensor weights,
      Tensor experts) {
    int count = logits.columns();
    int tokens = requireChoice("topK", logits, probabilities, weights, experts);
    int k = weights.columns();
    if (bias != null) {
      Sizes.require("topK: bias", bias, count);
    }
    float[] xs = HeapStorage.floats(logits);
    float[] ps = HeapStorage.floats(probabilities);
    float[] ws = HeapStorage.floats(weights);
    float[] bs = bias == null ? null : HeapStorage.floats(bias);
    int[] es = HeapStorage.ints(experts);
    int xo = HeapStorage.offset(logits);
    int po = HeapStorage.offset(probabilities);
    int wo = HeapStorage.offset(weights);
    int bo = bias == null ? 0 : HeapStorage.offset(bias);
    int eo = HeapStorage.offset(experts);
    pool.ranges(
        tokens,
        grain(count),
        (from, to) -> {
          for (int t = from; t < to; t++) {
            int p = po + t * count;
            int w = wo + t * k;
            int e = eo + t * k;
            softmax(xs, xo + t * count, ps, p, count);
            TopKRows.choose(ps, p, bs, bo, count, k, ws, w, es, e);
            for (int j = 0; j < k; j++) {
              ws[w + j] = ps[p + es[e + j]];
            }
            float inverse = TopKRows.inverseNorm(ws, w, k, normalization);
            for (int j = 0; j < k; j++) {
              ws[w + j] *= inverse;
            }
          }
        });
  }

  private static void softmax(float[] x, int xo, float[] p, int po, int n) {
    float max = SoftmaxRows.max(x, xo, n);
    float sum = SoftmaxRows.exp(x, xo, max, p, po, n);
    RowOps.scale(1 / sum, p, po, p, po, n);
  }

  @Override
  public void topKBackward(
      Tensor dweights,
      Tensor experts,
      Tensor weights,
      double normalization,
      Tensor probabilities,
      Tensor dprobabilities,
      double zLossScale,
      Tensor logits,
      Tensor dlogits) {
    int count = logits.columns();
    int tokens = requireChoice("topKBackward", logits, probabilities, weights, experts);
    int k = weights.columns();
    Sizes.equal("topKBackward: logits, dlogits", logits, dlogits);
    Sizes.equal("topKBackward: weights, dweights", weights, dweights);
    if (dprobabilities != null) {
      Sizes.require("topKBackward: dprobabilities", dprobabilities, count);
    }
    float[] dws = HeapStorage.floats(dweights);
    int[] es = HeapStorage.ints(experts);
    float[] ws = HeapStorage.floats(weights);
    float[] ps = HeapStorage.floats(probabilities);
    float[] dps = dprobabilities == null ? null : HeapStorage.floats(dprobabilities);
    float[] xs = HeapStorage.floats(logits);
    float[] dxs = HeapStorage.floats(dlogits);
    int dwo = HeapStorage.offset(dweights);
    int eo = HeapStorage.offset(experts);
    int wo = HeapStorage.offset(weights);
    int po = HeapStorage.offset(probabilities);
    int dpo = dprobabilities == null ? 0 : HeapStorage.offset(dprobabilities);
    int xo = HeapStorage.offset(logits);
    int dxo = HeapStorage.offset(dlogits);
    requireExperts("topKBackward", es, eo, tokens * k, 0, count);
    pool.ranges(
        tokens,
        grain(count),
        (from, to) -> {
          for (int t = from; t < to; t++) {
            int p = po + t * count;
            int dx = dxo + t * count;
            float z = 0;
            if (zLossScale != 0) {
              z = (float) (2 * zLossScale * logSumExp(xs, xo + t * count, ps, p, count));
            }
            if (dps == null) {
              Arrays.fill(dxs, dx, dx + count, 0);
            } else {
              System.arraycopy(dps, dpo, dxs, dx, count);
            }
            addChoice(
                dws, dwo + t * k, es, eo + t * k, ws, wo + t * k, k, normalization, ps, p, dxs, dx);
            softmaxBackward(ps, p, z, dxs, dx, count);
          }
        });
  }

  /** {@code dprobability_e += (dw_j - Σ dw·w · w_j^(p-1))/N} of the chosen experts e. */
  private static void addChoice(
      float[] dw,
      int dwo,
      int[] experts,
      int eo,
      float[] w,
      int wo,
      int k,
      double normalization,
      float[] probabilities,
      int po,
      float[] out,
      int oo) {
    if (normalization == 0) {
      for (int j = 0; j < k; j++) {
        out[oo + experts[eo + j]] += dw[dwo + j];
      }
      return;
    }
    double norm = 0;
    float dot = 0;
    for (int j = 0; j < k; j++) {
      norm += StrictMath.pow(probabilities[po + experts[eo + j]], normalization);
      dot = Math.fma(dw[dwo + j], w[wo + j], dot);
    }
    float inverse = norm == 0 ? 0 : (float) StrictMath.pow(norm, -1 / normalization);
    for (int j = 0; j < k; j++) {
      float slope = TopKRows.normSlope(w[wo + j], normalization);
      out[oo + experts[eo + j]] += (dw[dwo + j] - dot * slope) * inverse;
    }
  }

  /** From the probabilities at hand: the largest belongs to the largest logit. */
  private static double logSumExp(float[] x, int xo, float[] p, int po, int n) {
    return SoftmaxRows.max(x, xo, n) - StrictMath.log(SoftmaxRows.max(p, po, n));
  }

  /** {@code dx = p·(dp - Σ p·dp) + z·p}, in place of dp. */
  private static void softmaxBackward(float[] p, int po, float z, float[] dp, int dpo, int n) {
    float dot = RowOps.dot(p, po, dp, dpo, n);
    RowOps.shiftScale(z - dot, p, po, dp, dpo, n);
  }

  @Override
  public void sort(Tensor experts, Tensor offsets, Tensor tokenOf, Tensor rowOf) {
    int assignments = Sizes.equal("sort: experts, tokenOf", experts, tokenOf);
    Sizes.equal("sort: experts, rowOf", experts, rowOf);
    int k = rowOf.columns();
    int count = (int) offsets.size() - 1;
    int[] es = HeapStorage.ints(experts);
    int[] os = HeapStorage.ints(offsets);
    int[] ts = HeapStorage.ints(tokenOf);
    int[] rs = HeapStorage.ints(rowOf);
    int eo = HeapStorage.offset(experts);
    int oo = HeapStorage.offset(offsets);
    int to = HeapStorage.offset(tokenOf);
    int ro = HeapStorage.offset(rowOf);
    requireExperts("sort", es, eo, assignments, -1, count);
    cursors = grown(cursors, count + 1);
    int[] next = cursors;
    // Slot 0 counts the dropped assignments, slot e + 1 those of expert e.
    Arrays.fill(next, 0, count + 1, 0);
    for (int a = 0; a < assignments; a++) {
      next[es[eo + a] + 1]++;
    }
    int first = 0;
    for (int e = 0; e < count; e++) {
      os[oo + e] = first;
      int kept = next[e + 1];
      next[e + 1] = first;
      first += kept;
    }
    os[oo + count] = first;
    for (int a = 0; a < assignments; a++) {
      int expert = es[eo + a];
      int row = expert < 0 ? -1 : next[expert + 1]++;
      rs[ro + a] = row;
      if (row >= 0) {
        ts[to + row] = a / k;
      }
    }
  }

  @Override
  public void gather(Tensor x, Tensor rowOf, Tensor y) {
    requireMoves("gather", x, rowOf, y);
    int width = x.columns();
    int k = rowOf.columns();
    float[] xs = HeapStorage.floats(x);
    float[] ys = HeapStorage.floats(y);
    int[] rs = HeapStorage.ints(rowOf);
    int xo = HeapStorage.offset(x);
    int yo = HeapStorage.offset(y);
    int ro = HeapStorage.offset(rowOf);
    pool.ranges(
        x.rows() * k,
        grain(width),
        (from, to) -> {
          for (int a = from; a < to; a++) {
            int row = rs[ro + a];
            if (row >= 0) {
              System.arraycopy(xs, xo + a / k * width, ys, yo + row * width, width);
            }
          }
        });
  }

  @Override
  public void gatherBackward(Tensor dy, Tensor rowOf, boolean accumulate, Tensor dx) {
    requireMoves("gatherBackward", dx, rowOf, dy);
    combine(dy, rowOf, null, accumulate, dx);
  }

  @Override
  public void scatter(Tensor y, Tensor rowOf, Tensor weights, boolean accumulate, Tensor out) {
    Sizes.equal("scatter: rowOf, weights", rowOf, weights);
    requireMoves("scatter", out, rowOf, y);
    combine(y, rowOf, weights, accumulate, out);
  }

  /** {@code out_t (+)= Σ_j w_tj·y[rowOf_tj]}; weights null: all are 1. */
  private void combine(Tensor y, Tensor rowOf, Tensor weights, boolean accumulate, Tensor out) {
    int width = out.columns();
    int k = rowOf.columns();
    int[] rs = HeapStorage.ints(rowOf);
    float[] ys = HeapStorage.floats(y);
    float[] ws = weights == null ? null : HeapStorage.floats(weights);
    float[] os = HeapStorage.floats(out);
    int ro = HeapStorage.offset(rowOf);
    int yo = HeapStorage.offset(y);
    int wo = weights == null ? 0 : HeapStorage.offset(weights);
    int oo = HeapStorage.offset(out);
    pool.ranges(
        out.rows(),
        grain(width * k),
        (from, to) -> {
          for (int t = from; t < to; t++) {
            int at = oo + t * width;
            boolean fresh = !accumulate;
            for (int a = t * k; a < (t + 1) * k; a++) {
              if (rs[ro + a] >= 0) {
                float w = ws == null ? 1 : ws[wo + a];
                int row = yo + rs[ro + a] * width;
                if (fresh) {
                  RowOps.scale(w, ys, row, os, at, width);
                } else {
                  RowOps.axpy(w, ys, row, os, at, width);
                }
                fresh = false;
              }
            }
            if (fresh) {
              Arrays.fill(os, at, at + width, 0);
            }
          }
        });
  }

  @Override
  public void scatterBackward(
      Tensor dout, Tensor y, Tensor rowOf, Tensor weights, Tensor dy, Tensor dweights) {
    Sizes.equal("scatterBackward: rowOf, weights", rowOf, weights);
    Sizes.equal("scatterBackward: weights, dweights", weights, dweights);
    Sizes.equal("scatterBackward: y, dy", y, dy);
    requireMoves("scatterBackward", dout, rowOf, y);
    int k = rowOf.columns();
    int width = dout.columns();
    float[] dos = HeapStorage.floats(dout);
    float[] ys = HeapStorage.floats(y);
    int[] rs = HeapStorage.ints(rowOf);
    float[] ws = HeapStorage.floats(weights);
    float[] dys = HeapStorage.floats(dy);
    float[] dws = HeapStorage.floats(dweights);
    int dO = HeapStorage.offset(dout);
    int yo = HeapStorage.offset(y);
    int ro = HeapStorage.offset(rowOf);
    int wo = HeapStorage.offset(weights);
    int dyo = HeapStorage.offset(dy);
    int dwo = HeapStorage.offset(dweights);
    pool.ranges(
        dout.rows() * k,
        grain(width),
        (from, to) -> {
          for (int a = from; a < to; a++) {
            float dw = 0;
            if (rs[ro + a] >= 0) {
              int token = dO + a / k * width;
              int row = rs[ro + a] * width;
              dw = RowOps.scaleDot(ws[wo + a], dos, token, ys, yo + row, dys, dyo + row, width);
            }
            dws[dwo + a] = dw;
          }
        });
  }

  private static int requireChoice(
      String op, Tensor logits, Tensor probabilities, Tensor weights, Tensor experts) {
    Sizes.equal("router: logits, probabilities", logits, probabilities);
    Sizes.equal("router: weights, experts", weights, experts);
    int k = weights.columns();
    if (k < 1 || k > logits.columns() || weights.rows() != logits.rows()) {
      throw new IllegalArgumentException(
          "%s: expected weights (%d, k) with k in [1, %d], got %s"
              .formatted(op, logits.rows(), logits.columns(), weights));
    }
    return logits.rows();
  }

  private static void requireExperts(
      String op, int[] experts, int offset, int n, int lowest, int count) {
    for (int a = 0; a < n; a++) {
      int expert = experts[offset + a];
      if (expert < lowest || expert >= count) {
        throw new IllegalArgumentException(
            "%s: expected experts in [%d, %d), got %d for assignment %d"
                .formatted(op, lowest, count, expert, a));
      }
    }
  }

  private static void requireMoves(String op, Tensor tokens, Tensor rowOf, Tensor rows) {
    if (tokens.rows() != rowOf.rows()
        || rows.rows() < rowOf.size()
        || rows.columns() != tokens.columns()) {
      throw new IllegalArgumentException(
          "%s: expected tokens (T, width), rowOf (T, k) and rows (T·k, width), got %s, %s, %s"
              .formatted(op, tokens, rowOf, rows));
    }
  }

  private static int[] grown(int[] scratch, int length) {
    return scratch.length >= length ? scratch : new int[length];
  }

  private static int grain(int width) {
    return Math.max(1, GRAIN / Math.max(1, width));
  }
}
