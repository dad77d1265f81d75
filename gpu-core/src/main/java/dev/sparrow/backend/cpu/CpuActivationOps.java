package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.ActivationOps;
import dev.sparrow.backend.HostPool;
import dev.sparrow.tensor.Tensor;

/** Nonlinearities, chunk by chunk; the loops are in {@link ActivationLoops}. */
final class CpuActivationOps implements ActivationOps {
  /** Elements of a task; a multiple of every vector width, so that only the last has a tail. */
  private static final int GRAIN = 1 << 15;

  private final HostPool pool;

  CpuActivationOps(HostPool pool) {
    this.pool = pool;
  }

  @Override
  public void forward(Activation f, Tensor x, Tensor y) {
    int n = Sizes.equal("activation: x, y", x, y);
    float[] xs = HeapStorage.floats(x);
    float[] ys = HeapStorage.floats(y);
    int xo = HeapStorage.offset(x);
    int yo = HeapStorage.offset(y);
    pool.ranges(
        n,
        GRAIN,
        (from, to) -> ActivationLoops.forward(f, xs, xo + from, ys, yo + from, to - from));
  }

  @Override
  public void backward(Activation f, Tensor x, Tensor dy, Tensor dx) {
    int n = Sizes.equal("activation backward: x, dy, dx", x, dy, dx);
    float[] xs = HeapStorage.floats(x);
    float[] dys = HeapStorage.floats(dy);
    float[] dxs = HeapStorage.floats(dx);
    int xo = HeapStorage.offset(x);
    int dyo = HeapStorage.offset(dy);
    int dxo = HeapStorage.offset(dx);
    pool.ranges(
        n,
        GRAIN,
        (from, to) ->
            ActivationLoops.backward(
                f, xs, xo + from, dys, dyo + from, dxs, dxo + from, to - from));
  }

  @Override
  public void gated(Activation f, Tensor gate, Tensor up, Tensor y) {
    int n = Sizes.equal("gated activation: gate, up, y", gate, up, y);
    float[] gs = HeapStorage.floats(gate);
    float[] us = HeapStorage.floats(up);
    float[] ys = HeapStorage.floats(y);
    int go = HeapStorage.offset(gate);
    int uo = HeapStorage.offset(up);
    int yo = HeapStorage.offset(y);
    pool.ranges(
        n,
        GRAIN,
        (from, to) ->
            ActivationLoops.gated(f, gs, go + from, us, uo + from, ys, yo + from, to - from));
  }

  @Override
  public void gatedBackward(
      Activation f, Tensor gate, Tensor up, Tensor dy, Tensor dgate, Tensor dup) {
    int n =
        Sizes.equal(
            "gated activation backward: gate, up, dy, dgate, dup", gate, up, dy, dgate, dup);
    float[] gs = HeapStorage.floats(gate);
    float[] us = HeapStorage.floats(up);
    float[] dys = HeapStorage.floats(dy);
    float[] dgs = HeapStorage.floats(dgate);
    float[] dus = HeapStorage.floats(dup);
    int go = HeapStorage.offset(gate);
    int uo = HeapStorage.offset(up);
    int dyo = HeapStorage.offset(dy);
    int dgo = HeapStorage.offset(dgate);
    int duo = HeapStorage.offset(dup);
    pool.ranges(
        n,
        GRAIN,
        (from, to) ->
            ActivationLoops.gatedBackward(
                f,
                gs,
                go + from,
                us,
                uo + from,
                dys,
                dyo + from,
                dgs,
                dgo + from,
                dus,
                duo + from,
                to - from));
  }
}
