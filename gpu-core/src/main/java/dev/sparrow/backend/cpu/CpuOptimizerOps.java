package dev.sparrow.backend.cpu;

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
      Tensor gradient,
      Tensor parameter,
      Tensor firstMoment,
      Tensor secondMoment) {
    int n =
        Sizes.equal(
            "adamW: gradient, parameter, firstMoment, secondMoment",
            gradient,
            parameter,
            firstMoment,
            secondMoment);
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
    AdamWLoop loop = AdamWLoop.of(settings, gradientScale);
    pool.ranges(
        n,
        GRAIN,
        (from, to) ->
            loop.run(gs, go + from, ws, wo + from, ms, mo + from, vs, vo + from, to - from));
  }

  @Override
  public void sgd(
      Sgd settings, double gradientScale, Tensor gradient, Tensor parameter, Tensor momentum) {
    int n = Sizes.equal("sgd: gradient, parameter, momentum", gradient, parameter, momentum);
    float[] gs = HeapStorage.floats(gradient);
    float[] ws = HeapStorage.floats(parameter);
    float[] vs = HeapStorage.floats(momentum);
    int go = HeapStorage.offset(gradient);
    int wo = HeapStorage.offset(parameter);
    int vo = HeapStorage.offset(momentum);
    pool.ranges(
        n,
        GRAIN,
        (from, to) ->
            SgdLoop.run(
                settings,
                (float) gradientScale,
                gs,
                go + from,
                ws,
                wo + from,
                vs,
                vo + from,
                to - from));
  }
}
