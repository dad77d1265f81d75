package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Draws;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.backend.RoutingOps;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/** Routing, permutation and weighing of a mixture-of-experts layer. */
final class CpuRoutingOps implements RoutingOps {
  private static final int GRAIN = 1 << 15;

  private final CpuPool pool;

  /** Next row of each expert in the counting sort. Grown, never shrunk. */
  private int[] cursors = new int[0];

  /** Sorted row of each assignment, -1 for a dropped one. Grown, never shrunk. */
  private int[] rowOf = new int[0];

  CpuRoutingOps(CpuPool pool) {
    this.pool = pool;
  }

  @Override
  public void jitter(Tensor x, double epsilon, Draws draws, Tensor out) {
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
                xs, xo + from, epsilon, key, counter + from, os, oo + from, to - from));
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
  public void sort(Tensor experts, Tensor offsets, Tensor sorted) {
    int assignments = Sizes.equal("sort: experts, sorted", experts, sorted);
    int count = (int) offsets.size() - 1;
    int[] es = HeapStorage.ints(experts);
    int[] os = HeapStorage.ints(offsets);
    int[] ss = HeapStorage.ints(sorted);
    int eo = HeapStorage.offset(experts);
    int oo = HeapStorage.offset(offsets);
    int so = HeapStorage.offset(sorted);
    requireExperts("sort", es, eo, assignments, -1, count);
    cursors = grown(cursors, count + 1);
    int[] next = cursors;
    // Slot 0 counts the dropped assignments, slot e + 1 those of expert e.
    Arrays.fill(next, 0, count + 1, 0);
    for (int a = 0; a < assignments; a++) {
      next[es[eo + a] + 1]++;
    }
    int dropped = next[0];
    int row = 0;
    for (int e = 0; e < count; e++) {
      os[oo + e] = row;
      int kept = next[e + 1];
      next[e + 1] = row;
      row += kept;
    }
    os[oo + count] = row;
    next[0] = assignments - dropped;
    for (int a = 0; a < assignments; a++) {
      ss[so + next[es[eo + a] + 1]++] = a;
    }
  }

  @Override
  public void gather(Tensor x, Tensor sorted, Tensor offsets, int k, Tensor y) {
    int width = x.columns();
    requireRows("gather", x, sorted, k, y);
    float[] xs = HeapStorage.floats(x);
    float[] ys = HeapStorage.floats(y);
    int[] ss = HeapStorage.ints(sorted);
    int xo = HeapStorage.offset(x);
    int yo = HeapStorage.offset(y);
    int so = HeapStorage.offset(sorted);
    pool.ranges(
        kept(offsets),
        grain(width),
        (from, to) -> {
          for (int p = from; p < to; p++) {
            System.arraycopy(xs, xo + ss[so + p] / k * width, ys, yo + p * width, width);
          }
        });
  }

  @Override
  public void gatherBackward(
      Tensor dy, Tensor sorted, Tensor offsets, int k, boolean accumulate, Tensor dx) {
    requireRows("gatherBackward", dx, sorted, k, dy);
    combine(dy, sorted, offsets, null, k, accumulate, dx);
  }

  @Override
  public void scatter(
      Tensor y, Tensor sorted, Tensor offsets, Tensor weights, boolean accumulate, Tensor out) {
    Sizes.require("scatter: weights", weights, sorted.size());
    int k = weights.columns();
    requireRows("scatter", out, sorted, k, y);
    combine(y, sorted, offsets, weights, k, accumulate, out);
  }

  /** {@code out_t (+)= Σ_j w_tj·y[row of t·k + j]}; weights null: all are 1. */
  private void combine(
      Tensor y,
      Tensor sorted,
      Tensor offsets,
      Tensor weights,
      int k,
      boolean accumulate,
      Tensor out) {
    int width = out.columns();
    int[] rows = invert(sorted, kept(offsets));
    float[] ys = HeapStorage.floats(y);
    float[] ws = weights == null ? null : HeapStorage.floats(weights);
    float[] os = HeapStorage.floats(out);
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
              if (rows[a] >= 0) {
                float w = ws == null ? 1 : ws[wo + a];
                int row = yo + rows[a] * width;
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

  /** The sorted row of each assignment. */
  private int[] invert(Tensor sorted, int kept) {
    int assignments = (int) sorted.size();
    int[] ss = HeapStorage.ints(sorted);
    int so = HeapStorage.offset(sorted);
    rowOf = grown(rowOf, assignments);
    int[] rows = rowOf;
    for (int p = 0; p < assignments; p++) {
      rows[ss[so + p]] = p < kept ? p : -1;
    }
    return rows;
  }

  @Override
  public void scatterBackward(
      Tensor dout,
      Tensor y,
      Tensor sorted,
      Tensor offsets,
      Tensor weights,
      Tensor dy,
      Tensor dweights) {
    Sizes.require("scatterBackward: weights", weights, sorted.size());
    Sizes.equal("scatterBackward: weights, dweights", weights, dweights);
    Sizes.equal("scatterBackward: y, dy", y, dy);
    int k = weights.columns();
    int width = dout.columns();
    int assignments = requireRows("scatterBackward", dout, sorted, k, y);
    int kept = kept(offsets);
    float[] dos = HeapStorage.floats(dout);
    float[] ys = HeapStorage.floats(y);
    int[] ss = HeapStorage.ints(sorted);
    float[] ws = HeapStorage.floats(weights);
    float[] dys = HeapStorage.floats(dy);
    float[] dws = HeapStorage.floats(dweights);
    int dO = HeapStorage.offset(dout);
    int yo = HeapStorage.offset(y);
    int so = HeapStorage.offset(sorted);
    int wo = HeapStorage.offset(weights);
    int dyo = HeapStorage.offset(dy);
    int dwo = HeapStorage.offset(dweights);
    pool.ranges(
        kept,
        grain(width),
        (from, to) -> {
          for (int p = from; p < to; p++) {
            int a = ss[so + p];
            int row = p * width;
            dws[dwo + a] =
                RowOps.scaleDot(
                    ws[wo + a], dos, dO + a / k * width, ys, yo + row, dys, dyo + row, width);
          }
        });
    for (int p = kept; p < assignments; p++) {
      dws[dwo + ss[so + p]] = 0;
    }
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

  private static int requireRows(String op, Tensor tokens, Tensor sorted, int k, Tensor rows) {
    int assignments = (int) sorted.size();
    if ((long) tokens.rows() * k != assignments
        || rows.rows() < assignments
        || rows.columns() != tokens.columns()) {
      throw new IllegalArgumentException(
          "%s: expected tokens (T, width), assignments (T·%d) and rows (T·%d, width), got %s, %s, %s"
              .formatted(op, k, k, tokens, sorted, rows));
    }
    return assignments;
  }

  private static int kept(Tensor offsets) {
    return HeapStorage.ints(offsets)[HeapStorage.offset(offsets) + (int) offsets.size() - 1];
  }

  private static int[] grown(int[] scratch, int length) {
    return scratch.length >= length ? scratch : new int[length];
  }

  private static int grain(int width) {
    return Math.max(1, GRAIN / Math.max(1, width));
  }
}
