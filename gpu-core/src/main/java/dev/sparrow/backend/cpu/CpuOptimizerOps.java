package dev.sparrow.backend.cpu;

import dev.sparrow.backend.DecaySegments;
import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.tensor.Tensor;

/** Optimizer steps, each one pass over memory. */
final class CpuOptimizerOps implements OptimizerOps {
  private static final int GRAIN = 1 << 15;

  private final CpuPool pool;

  CpuOptimizerOps(CpuPool pool) {
    this.pool = pool;
  }

  @Override
  public void adamW(
      AdamW settings,
      double gradientScale,
      Weights weights,
      Tensor firstMoment,
      Tensor secondMoment) {
    Tensor gradient = weights.gradient();
    Tensor parameter = weights.parameter();
    int n =
        Sizes.equal(
            "adamW: gradient, parameter, firstMoment, secondMoment",
            gradient,
            parameter,
            firstMoment,
            secondMoment);
    requireNoCopy(weights, n);
    if (settings.step() < 1) {
      throw new IllegalArgumentException("adamW: expected step 1 or later, got " + settings.step());
    }
    float[] gs = HeapStorage.floats(gradient);
    float[] ws = HeapStorage.floats(parameter);
    float[] ms = HeapStorage.floats(firstMoment);
    float[] vs = HeapStorage.floats(secondMoment);
    int go = HeapStorage.offset(gradient);
    int wo = HeapStorage.offset(parameter);
    int mo = HeapStorage.offset(firstMoment);
    int vo = HeapStorage.offset(secondMoment);
    AdamWLoop decayed = AdamWLoop.of(settings, gradientScale, true);
    AdamWLoop plain = AdamWLoop.of(settings, gradientScale, false);
    forSegments(
        weights.decay(),
        (decays, from, to) ->
            (decays ? decayed : plain)
                .run(gs, go + from, ws, wo + from, ms, mo + from, vs, vo + from, to - from));
  }

  @Override
  public void sgd(Sgd settings, double gradientScale, Weights weights, Tensor momentum) {
    Tensor gradient = weights.gradient();
    Tensor parameter = weights.parameter();
    int n = Sizes.equal("sgd: gradient, parameter, momentum", gradient, parameter, momentum);
    requireNoCopy(weights, n);
    float[] gs = HeapStorage.floats(gradient);
    float[] ws = HeapStorage.floats(parameter);
    float[] vs = HeapStorage.floats(momentum);
    int go = HeapStorage.offset(gradient);
    int wo = HeapStorage.offset(parameter);
    int vo = HeapStorage.offset(momentum);
    SgdLoop decayed = SgdLoop.of(settings, gradientScale, true);
    SgdLoop plain = SgdLoop.of(settings, gradientScale, false);
    forSegments(
        weights.decay(),
        (decays, from, to) ->
            (decays ? decayed : plain).run(gs, go + from, ws, wo + from, vs, vo + from, to - from));
  }

  private interface SegmentRange {
    void run(boolean decays, int from, int to);
  }

  private void forSegments(DecaySegments segments, SegmentRange body) {
    for (int s = 0; s < segments.count(); s++) {
      int start = (int) segments.start(s);
      boolean decays = segments.decays(s);
      pool.ranges(
          (int) segments.end(s) - start,
          GRAIN,
          (from, to) -> body.run(decays, start + from, start + to));
    }
  }

  private static void requireNoCopy(Weights weights, int size) {
    if (weights.copy() != null) {
      throw new IllegalArgumentException(
          "copy: expected null, since this backend computes in the parameters' type, got "
              + weights.copy());
    }
    if (weights.decay().size() != size) {
      throw new IllegalArgumentException(
          "decay: expected segments of " + size + " elements, got " + weights.decay().size());
    }
  }
}
