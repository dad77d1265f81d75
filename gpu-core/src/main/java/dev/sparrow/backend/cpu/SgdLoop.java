package dev.sparrow.backend.cpu;

import dev.sparrow.backend.OptimizerOps;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** SGD with momentum over one run of parameters. */
final class SgdLoop {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  private SgdLoop() {}

  /** Updates n elements of w and v from g; without nesterov the step is v itself. */
  static void run(
      OptimizerOps.Sgd settings,
      float gradientScale,
      float[] g,
      int go,
      float[] w,
      int wo,
      float[] v,
      int vo,
      int n) {
    float momentum = (float) settings.momentum();
    float decay = (float) settings.weightDecay();
    float rate = (float) -settings.learningRate();
    // step = ahead·g + along·v
    float ahead = settings.nesterov() ? 1 : 0;
    float along = settings.nesterov() ? momentum : 1;
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
