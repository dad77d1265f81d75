package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.tensor.Tensor;

/**
 * A router's load-balancing loss and z-loss: their gradients on the device, their values on the
 * host when figures are asked for. {@link Router} tells the formulas and the scaling.
 */
final class AuxiliaryLosses {
  private final Backend backend;
  private final RouterSpec spec;
  private final Tensor dprobabilities; // (E)
  private float[] host = {};

  AuxiliaryLosses(Backend backend, RouterSpec spec) {
    this.backend = backend;
    this.spec = spec;
    this.dprobabilities = backend.allocate(spec.experts());
  }

  void reserve(int tokens) {
    host = new float[Math.multiplyExact(tokens, spec.experts())];
  }

  /**
   * {@code dp_te = lossScale·T/routers · w·E·load_e/(T·k·T)}, equal for all tokens; null where the
   * loss is off.
   */
  Tensor loadBalancingGradient(Tensor load, int tokens, double lossScale) {
    if (spec.loadBalancingLoss() == 0) {
      return null;
    }
    double scale = spec.loadBalancingLoss() * lossScale / spec.routers() * shareFactor(tokens);
    backend.routing().loadBalancingGradient(load, scale, dprobabilities);
    return dprobabilities;
  }

  /** Turns a load into its ratio to the mean load: E/(T·k). */
  private double shareFactor(int tokens) {
    return (double) spec.experts() / ((double) tokens * spec.topK());
  }

  /** Factor of {@code 2·logsumexp_t·p_te}: the micro-batch's T tokens cancel against the mean. */
  double zLossScale(double lossScale) {
    return spec.zLoss() * lossScale / spec.routers();
  }

  /** The weighted losses of the last pass. */
  void figures(int[] load, Tensor probabilities, Tensor logits, FigureSink sink) {
    int tokens = probabilities.rows();
    backend.downloadSync(probabilities, host, 0);
    sink.figure("load_balancing_loss", loadBalancing(load, tokens));
    backend.downloadSync(logits, host, 0);
    sink.figure("z_loss", spec.zLoss() * meanSquaredLogSumExp(tokens));
  }

  private double loadBalancing(int[] load, int tokens) {
    int experts = spec.experts();
    double sum = 0;
    for (int i = 0; i < tokens * experts; i++) {
      sum += (double) load[i % experts] * host[i];
    }
    return spec.loadBalancingLoss() * shareFactor(tokens) * sum / tokens;
  }

  private double meanSquaredLogSumExp(int tokens) {
    double sum = 0;
    for (int t = 0; t < tokens; t++) {
      double value = logSumExp(t * spec.experts());
      sum += value * value;
    }
    return sum / tokens;
  }

  private double logSumExp(int first) {
    double largest = Double.NEGATIVE_INFINITY;
    for (int e = 0; e < spec.experts(); e++) {
      largest = Math.max(largest, host[first + e]);
    }
    double sum = 0;
    for (int e = 0; e < spec.experts(); e++) {
      sum += Math.exp(host[first + e] - largest);
    }
    return largest + Math.log(sum);
  }
}
