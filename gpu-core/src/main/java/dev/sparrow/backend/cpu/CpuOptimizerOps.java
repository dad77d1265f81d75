package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.backend.UpdateSegments;
import dev.sparrow.tensor.Tensor;

/** Optimizer steps, each one pass over memory. */
final class CpuOptimizerOps implements OptimizerOps {
  private static final int GRAIN = 1 << 15;

  private final HostPool pool;

  CpuOptimizerOps(HostPool pool) {
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
    UpdateSegments segments = weights.segments();
    for (int s = 0; s < segments.count(); s++) {
      AdamWLoop loop = AdamWLoop.of(settings, gradientScale, segments.decays(s), segments.rate(s));
      ranges(
          segments,
          s,
          (from, to) ->
              loop.run(gs, go + from, ws, wo + from, ms, mo + from, vs, vo + from, to - from));
    }
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
    UpdateSegments segments = weights.segments();
    for (int s = 0; s < segments.count(); s++) {
      SgdLoop loop = SgdLoop.of(settings, gradientScale, segments.decays(s), segments.rate(s));
      ranges(
          segments,
          s,
          (from, to) -> loop.run(gs, go + from, ws, wo + from, vs, vo + from, to - from));
    }
  }

  private void ranges(UpdateSegments segments, int segment, HostLoop.Range body) {
    int start = (int) segments.start(segment);
    pool.ranges(
        (int) segments.end(segment) - start,
        GRAIN,
        (from, to) -> body.run(start + from, start + to));
  }

  private static void requireNoCopy(Weights weights, int size) {
    if (weights.copy() != null) {
      throw new IllegalArgumentException(
          "copy: expected null, since this backend computes in the parameters' type, got "
              + weights.copy());
    }
    if (weights.segments().size() != size) {
      throw new IllegalArgumentException(
          "segments: expected of " + size + " elements, got " + weights.segments().size());
    }
  }
}
