package dev.sparrow.backend.cpu;

import dev.sparrow.backend.OptimizerOps;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * SGD with momentum over one run of parameters: the step is {@code ahead·g + along·v}, which is v
 * itself without nesterov.
 */
record SgdLoop(
    float gradientScale, float decay, float momentum, float rate, float ahead, float along) {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  static SgdLoop of(OptimizerOps.Sgd s, double gradientScale, boolean decays, float rate) {
    float momentum = (float) s.momentum();
    return new SgdLoop(
        (float) gradientScale,
        decays ? (float) s.weightDecay() : 0,
        momentum,
        -rate * (float) s.learningRate(),
        s.nesterov() ? 1 : 0,
        s.nesterov() ? momentum : 1);
  }

  /** Updates n elements of w and v from g. */
  void run(float[] g, int go, float[] w, int wo, float[] v, int vo, int n) {
    int whole = Lanes.whole(n);
    FloatVector decays = FloatVector.broadcast(F, decay);
    FloatVector momenta = FloatVector.broadcast(F, momentum);
    FloatVector rates = FloatVector.broadcast(F, rate);
    FloatVector alongs = FloatVector.broadcast(F, along);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector wi = FloatVector.fromArray(F, w, wo + i);
      FloatVector gi = wi.fma(decays, FloatVector.fromArray(F, g, go + i).mul(gradientScale));
      FloatVector vi = FloatVector.fromArray(F, v, vo + i).fma(momenta, gi);
      vi.intoArray(v, vo + i);
      vi.fma(alongs, gi.mul(ahead)).fma(rates, wi).intoArray(w, wo + i);
    }
    for (int i = whole; i < n; i++) {
      float wi = w[wo + i];
      float gi = Math.fma(wi, decay, g[go + i] * gradientScale);
      float vi = Math.fma(v[vo + i], momentum, gi);
      v[vo + i] = vi;
      w[wo + i] = Math.fma(Math.fma(vi, along, gi * ahead), rate, wi);
    }
  }
}
