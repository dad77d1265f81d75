package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * The oracle's attention as tensor cores do it: P and dS are rounded to bf16 before they enter a
 * product, and the results once more.
 */
final class RoundingAttentionOps implements AttentionOps {
  private final AttentionOps ops =
      new ReferenceAttentionOps(value -> RoundedStorage.rounded(DType.BF16, value));

  @Override
  public void forward(
      AttentionShape shape, Tensor qkv, Dropout dropout, Tensor out, Tensor logSumExp) {
    ops.forward(shape, compute(qkv), dropout, compute(out), floats(logSumExp));
    round(out, logSumExp);
  }

  @Override
  public void backward(
      AttentionShape shape,
      Tensor qkv,
      Tensor out,
      Tensor logSumExp,
      Tensor dout,
      Dropout dropout,
      Tensor dqkv) {
    ops.backward(
        shape,
        compute(qkv),
        compute(out),
        floats(logSumExp),
        compute(dout),
        dropout,
        compute(dqkv));
    round(dqkv);
  }

  @Override
  public void forwardCached(
      AttentionShape shape, Tensor qkv, Tensor keys, Tensor values, int position, Tensor out) {
    ops.forwardCached(shape, compute(qkv), compute(keys), compute(values), position, compute(out));
    round(keys, values, out);
  }
}
