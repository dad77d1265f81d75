package dev.sparrow.backend.cpu;

import dev.sparrow.backend.Draws;
import dev.sparrow.backend.ElementwiseOps;
import dev.sparrow.backend.HostPool;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/** Copies, fills and sums, split into chunks of a fixed size. */
final class CpuElementwiseOps implements ElementwiseOps {
  /** Elements of a task: 256 KiB of each tensor, enough to hide the hand-over. */
  private static final int GRAIN = 1 << 16;

  private final HostPool pool;
  private final DoubleSums sums;

  CpuElementwiseOps(HostPool pool) {
    this.pool = pool;
    this.sums = new DoubleSums(pool);
  }

  @Override
  public void fill(Tensor out, double value) {
    int n = (int) out.size();
    int oo = HeapStorage.offset(out);
    if (out.dtype() == DType.I32) {
      int[] os = HeapStorage.ints(out);
      pool.ranges(n, GRAIN, (from, to) -> Arrays.fill(os, oo + from, oo + to, (int) value));
      return;
    }
    float[] os = HeapStorage.floats(out);
    pool.ranges(n, GRAIN, (from, to) -> Arrays.fill(os, oo + from, oo + to, (float) value));
  }

  @Override
  public void copy(Tensor x, Tensor out) {
    int n = Sizes.equal("copy: x, out", x, out);
    boolean ints = x.dtype() == DType.I32;
    Object xs = ints ? HeapStorage.ints(x) : HeapStorage.floats(x);
    Object os = ints ? HeapStorage.ints(out) : HeapStorage.floats(out);
    int xo = HeapStorage.offset(x);
    int oo = HeapStorage.offset(out);
    pool.ranges(n, GRAIN, (from, to) -> System.arraycopy(xs, xo + from, os, oo + from, to - from));
  }

  @Override
  public void add(Tensor a, Tensor b, Tensor out) {
    int n = Sizes.equal("add: a, b, out", a, b, out);
    float[] as = HeapStorage.floats(a);
    float[] bs = HeapStorage.floats(b);
    float[] os = HeapStorage.floats(out);
    int ao = HeapStorage.offset(a);
    int bo = HeapStorage.offset(b);
    int oo = HeapStorage.offset(out);
    pool.ranges(
        n, GRAIN, (from, to) -> RowOps.add(as, ao + from, bs, bo + from, os, oo + from, to - from));
  }

  @Override
  public void axpy(double alpha, Tensor x, Tensor out) {
    int n = Sizes.equal("axpy: x, out", x, out);
    float[] xs = HeapStorage.floats(x);
    float[] os = HeapStorage.floats(out);
    int xo = HeapStorage.offset(x);
    int oo = HeapStorage.offset(out);
    pool.ranges(
        n,
        GRAIN,
        (from, to) -> RowOps.axpy((float) alpha, xs, xo + from, os, oo + from, to - from));
  }

  @Override
  public void scale(double alpha, Tensor x, Tensor out) {
    int n = Sizes.equal("scale: x, out", x, out);
    float[] xs = HeapStorage.floats(x);
    float[] os = HeapStorage.floats(out);
    int xo = HeapStorage.offset(x);
    int oo = HeapStorage.offset(out);
    pool.ranges(
        n,
        GRAIN,
        (from, to) -> RowOps.scale((float) alpha, xs, xo + from, os, oo + from, to - from));
  }

  @Override
  public void dropout(Tensor x, double p, Draws draws, Tensor out) {
    int n = Sizes.equal("dropout: x, out", x, out);
    if (!(p >= 0 && p < 1)) {
      throw new IllegalArgumentException("dropout: expected p in [0, 1), got " + p);
    }
    float[] xs = HeapStorage.floats(x);
    float[] os = HeapStorage.floats(out);
    int xo = HeapStorage.offset(x);
    int oo = HeapStorage.offset(out);
    PhiloxDropout dropout = new PhiloxDropout(p, draws.key());
    long counter = draws.counter();
    pool.ranges(
        n,
        GRAIN,
        (from, to) -> dropout.apply(xs, xo + from, counter + from, os, oo + from, to - from));
  }

  @Override
  public void squaredNorm(Tensor x, Tensor total) {
    Sizes.require("squared norm: total", total, 1);
    HeapStorage.doubles(total)[HeapStorage.offset(total)] = squaredNormSync(x);
  }

  @Override
  public double squaredNormSync(Tensor x) {
    return sums.squares(HeapStorage.floats(x), HeapStorage.offset(x), (int) x.size());
  }
}
