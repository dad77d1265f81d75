package dev.sparrow.sparsity.moe;

import dev.sparrow.sparsity.moe.MoeFixture.Result;
import java.util.Map;

/**
 * The layer as a loop over tokens and their experts in double, straight from the equations, with
 * its gradients. Shares no code with the product.
 */
final class PerTokenMoe {
  private final MoeCase c;
  private final int width;
  private final int experts;
  private final int k;
  private final double lossScale;
  private final double[] x;
  private final double[] router;
  private final double[] gate;
  private final double[] up;
  private final double[] down;
  private final double[][] p; // (T, E)
  private final double[] logSumExp; // (T)
  private final int[][] chosen; // (T, k)
  private final double[] load; // (E)

  PerTokenMoe(MoeCase c) {
    this(c, wide(c.x()), wide(c.router()), wide(c.gate()), wide(c.up()), wide(c.down()));
  }

  /** Other values than those of the case, for differences. */
  PerTokenMoe(MoeCase c, double[] x, double[] router, double[] gate, double[] up, double[] down) {
    this.c = c;
    this.width = c.spec().width();
    this.experts = c.spec().experts();
    this.k = c.spec().topK();
    this.lossScale = 1.0 / c.tokens();
    this.x = x;
    this.router = router;
    this.gate = gate;
    this.up = up;
    this.down = down;
    this.p = new double[c.tokens()][experts];
    this.logSumExp = new double[c.tokens()];
    this.chosen = new int[c.tokens()][k];
    this.load = new double[experts];
    for (int t = 0; t < c.tokens(); t++) {
      route(t);
    }
  }

  static double[] wide(float[] values) {
    double[] wide = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      wide[i] = values[i];
    }
    return wide;
  }

  private void route(int t) {
    double[] z = new double[experts];
    double sum = 0;
    for (int e = 0; e < experts; e++) {
      for (int i = 0; i < width; i++) {
        z[e] += x[t * width + i] * router[e * width + i];
      }
      sum += Math.exp(z[e]);
    }
    logSumExp[t] = Math.log(sum);
    for (int e = 0; e < experts; e++) {
      p[t][e] = Math.exp(z[e]) / sum;
    }
    boolean[] taken = new boolean[experts];
    for (int j = 0; j < k; j++) {
      int best = -1;
      for (int e = 0; e < experts; e++) {
        if (!taken[e] && (best < 0 || p[t][e] > p[t][best])) {
          best = e;
        }
      }
      taken[best] = true;
      chosen[t][j] = best;
      load[best]++;
    }
  }

  private double norm(int t) {
    double n = c.spec().normalization();
    if (n == 0) {
      return 1;
    }
    double sum = 0;
    for (int e : chosen[t]) {
      sum += Math.pow(p[t][e], n);
    }
    return Math.pow(sum, 1 / n);
  }

  /** The expert's hidden activations before the product: {gate, up}; gate is null where plain. */
  private double[][] hidden(int t, int e) {
    double[] g = c.gated() ? inner(gate, t, e) : null;
    return new double[][] {g, inner(up, t, e)};
  }

  private double[] inner(double[] w, int t, int e) {
    double[] h = new double[c.hidden()];
    for (int f = 0; f < h.length; f++) {
      for (int i = 0; i < width; i++) {
        h[f] += x[t * width + i] * w[(e * c.hidden() + f) * width + i];
      }
    }
    return h;
  }

  private double[] active(double[][] h) {
    double[] a = new double[c.hidden()];
    for (int f = 0; f < a.length; f++) {
      a[f] = c.gated() ? silu(h[0][f]) * h[1][f] : silu(h[1][f]);
    }
    return a;
  }

  private double[] expert(double[] a, int e) {
    double[] y = new double[width];
    for (int i = 0; i < width; i++) {
      for (int f = 0; f < a.length; f++) {
        y[i] += a[f] * down[(e * width + i) * a.length + f];
      }
    }
    return y;
  }

  double[] out() {
    double[] out = new double[c.tokens() * width];
    for (int t = 0; t < c.tokens(); t++) {
      for (int e : chosen[t]) {
        double[] y = expert(active(hidden(t, e)), e);
        for (int i = 0; i < width; i++) {
          out[t * width + i] += p[t][e] / norm(t) * y[i];
        }
      }
    }
    return out;
  }

  double loadBalancingLoss() {
    double sum = 0;
    for (double[] scores : p) {
      for (int e = 0; e < experts; e++) {
        sum += load[e] * scores[e] / c.tokens();
      }
    }
    return c.spec().loadBalancingLoss() * experts / (c.tokens() * k) * sum;
  }

  double zLoss() {
    double sum = 0;
    for (double value : logSumExp) {
      sum += value * value;
    }
    return c.spec().zLoss() * sum / c.tokens();
  }

  /** {@code <out, dout>} and this layer's share of the auxiliary losses. */
  double total() {
    double[] out = out();
    double sum = 0;
    for (int i = 0; i < out.length; i++) {
      sum += out[i] * c.dout()[i];
    }
    return sum + (loadBalancingLoss() + zLoss()) / c.spec().routers();
  }

  Result result() {
    double[] dx = new double[x.length];
    double[] drouter = new double[router.length];
    double[] dgate = new double[gate.length];
    double[] dup = new double[up.length];
    double[] ddown = new double[down.length];
    for (int t = 0; t < c.tokens(); t++) {
      double[] dp = auxiliaryGradient();
      double norm = norm(t);
      double[] dw = new double[k];
      for (int j = 0; j < k; j++) {
        dw[j] = expertBackward(t, chosen[t][j], norm, dx, dgate, dup, ddown);
      }
      weightBackward(t, dw, norm, dp);
      routerBackward(t, dp, dx, drouter);
    }
    double largest = 0;
    for (double rows : load) {
      largest = Math.max(largest, rows);
    }
    Map<String, Double> figures =
        Map.of(
            "expert_load_max_over_mean",
            largest * experts / (c.tokens() * k),
            "dropped_tokens",
            0.0,
            "load_balancing_loss",
            loadBalancingLoss(),
            "z_loss",
            zLoss());
    return new Result(out(), dx, drouter, dgate, dup, ddown, figures);
  }

  private double[] auxiliaryGradient() {
    double[] dp = new double[experts];
    double scale = c.spec().loadBalancingLoss() * experts / (c.tokens() * k) / c.spec().routers();
    for (int e = 0; e < experts; e++) {
      dp[e] = scale * load[e] * lossScale;
    }
    return dp;
  }

  /** Returns the gradient of the expert's weight for this token. */
  private double expertBackward(
      int t, int e, double norm, double[] dx, double[] dgate, double[] dup, double[] ddown) {
    int n = c.hidden();
    double weight = p[t][e] / norm;
    double[][] h = hidden(t, e);
    double[] a = active(h);
    double[] y = expert(a, e);
    double[] da = new double[n];
    double dw = 0;
    for (int i = 0; i < width; i++) {
      double dout = c.dout()[t * width + i];
      dw += y[i] * dout;
      for (int f = 0; f < n; f++) {
        ddown[(e * width + i) * n + f] += weight * dout * a[f];
        da[f] += weight * dout * down[(e * width + i) * n + f];
      }
    }
    for (int f = 0; f < n; f++) {
      double du = c.gated() ? da[f] * silu(h[0][f]) : da[f] * siluSlope(h[1][f]);
      double dg = c.gated() ? da[f] * h[1][f] * siluSlope(h[0][f]) : 0;
      for (int i = 0; i < width; i++) {
        int at = (e * n + f) * width + i;
        dup[at] += du * x[t * width + i];
        dx[t * width + i] += du * up[at];
        if (c.gated()) {
          dgate[at] += dg * x[t * width + i];
          dx[t * width + i] += dg * gate[at];
        }
      }
    }
    return dw;
  }

  /** w_j = p_j/N, N = (Σ p^n)^(1/n): {@code dp_i += dw_i/N - Σ_j dw_j·p_j·p_i^(n-1)·N^(-1-n)}. */
  private void weightBackward(int t, double[] dw, double norm, double[] dp) {
    double n = c.spec().normalization();
    double dot = 0;
    for (int j = 0; j < k; j++) {
      dot += dw[j] * p[t][chosen[t][j]];
    }
    for (int j = 0; j < k; j++) {
      double pj = p[t][chosen[t][j]];
      dp[chosen[t][j]] += dw[j] / norm;
      if (n != 0) {
        dp[chosen[t][j]] -= dot * Math.pow(pj, n - 1) * Math.pow(norm, -1 - n);
      }
    }
  }

  private void routerBackward(int t, double[] dp, double[] dx, double[] drouter) {
    double dot = 0;
    for (int e = 0; e < experts; e++) {
      dot += dp[e] * p[t][e];
    }
    double z = c.spec().zLoss() * lossScale / c.spec().routers() * 2 * logSumExp[t];
    for (int e = 0; e < experts; e++) {
      double dlogit = p[t][e] * (dp[e] - dot + z);
      for (int i = 0; i < width; i++) {
        drouter[e * width + i] += dlogit * x[t * width + i];
        dx[t * width + i] += dlogit * router[e * width + i];
      }
    }
  }

  private static double silu(double v) {
    return v / (1 + Math.exp(-v));
  }

  private static double siluSlope(double v) {
    double s = 1 / (1 + Math.exp(-v));
    return s * (1 + v * (1 - s));
  }
}
