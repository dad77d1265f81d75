package dev.sparrow.backend.cpu;

import dev.sparrow.backend.OptimizerOps;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * AdamW over one run of parameters, one element at a time in registers. The bias corrections are
 * folded into two constants: {@code lr·m̂/(sqrt(v̂) + ε) = rate·m/(sqrt(v)·root + ε)} with {@code
 * rate = lr/(1 - β1^t)} and {@code root = 1/sqrt(1 - β2^t)}.
 */
record AdamWLoop(
    float gradientScale,
    float keep,
    float beta1,
    float fresh1,
    float beta2,
    float fresh2,
    float rate,
    float root,
    float epsilon) {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  /** The constants of one step in one segment, computed in double. */
  static AdamWLoop of(OptimizerOps.AdamW s, double gradientScale, boolean decays, float rate) {
    return new AdamWLoop(
        (float) gradientScale,
        decays ? (float) s.keep() : 1,
        (float) s.beta1(),
        (float) (1 - s.beta1()),
        (float) s.beta2(),
        (float) (1 - s.beta2()),
        rate * (float) s.correctedRate(),
        (float) s.correctedRoot(),
        (float) s.epsilon());
  }

  /** Updates n elements of w, m and v from g. */
  void run(float[] g, int go, float[] w, int wo, float[] m, int mo, float[] v, int vo, int n) {
    int whole = Lanes.whole(n);
    FloatVector keeps = FloatVector.broadcast(F, keep);
    FloatVector betas1 = FloatVector.broadcast(F, beta1);
    FloatVector betas2 = FloatVector.broadcast(F, beta2);
    FloatVector roots = FloatVector.broadcast(F, root);
    FloatVector epsilons = FloatVector.broadcast(F, epsilon);
    FloatVector rates = FloatVector.broadcast(F, -rate);
    for (int i = 0; i < whole; i += LANES) {
      FloatVector gi = FloatVector.fromArray(F, g, go + i).mul(gradientScale);
      FloatVector mi = FloatVector.fromArray(F, m, mo + i).fma(betas1, gi.mul(fresh1));
      FloatVector vi = FloatVector.fromArray(F, v, vo + i).fma(betas2, gi.mul(gi).mul(fresh2));
      mi.intoArray(m, mo + i);
      vi.intoArray(v, vo + i);
      FloatVector step = mi.div(vi.sqrt().fma(roots, epsilons));
      FloatVector.fromArray(F, w, wo + i).mul(keeps).add(step.mul(rates)).intoArray(w, wo + i);
    }
    for (int i = whole; i < n; i++) {
      float gi = g[go + i] * gradientScale;
      float mi = Math.fma(m[mo + i], beta1, gi * fresh1);
      float vi = Math.fma(v[vo + i], beta2, gi * gi * fresh2);
      m[mo + i] = mi;
      v[vo + i] = vi;
      float step = mi / Math.fma((float) Math.sqrt(vi), root, epsilon);
      w[wo + i] = w[wo + i] * keep + step * -rate;
    }
  }
}
