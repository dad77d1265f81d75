package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.ints;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.Tensor;

/** The oracle's look-ups and positions, rounded once. */
final class RoundingEmbeddingOps implements EmbeddingOps {
  private final EmbeddingOps ops;

  RoundingEmbeddingOps(EmbeddingOps ops) {
    this.ops = ops;
  }

  @Override
  public void splitTokens(Tensor rows, Tensor inputs, Tensor targets) {
    ops.splitTokens(ints(rows), ints(inputs), ints(targets));
  }

  @Override
  public void forward(Tensor ids, Tensor table, Tensor out) {
    ops.forward(ints(ids), compute(table), compute(out));
    round(out);
  }

  @Override
  public void backward(Tensor ids, Tensor dout, Tensor dtable) {
    ops.backward(ints(ids), compute(dout), floats(dtable));
    round(dtable);
  }

  @Override
  public void addPositions(Tensor positions, int length, int start, Tensor x) {
    ops.addPositions(compute(positions), length, start, compute(x));
    round(x);
  }

  @Override
  public void addPositionsBackward(Tensor dx, int length, int start, Tensor dpositions) {
    ops.addPositionsBackward(compute(dx), length, start, floats(dpositions));
    round(dpositions);
  }

  @Override
  public void mean(Tensor x, int length, Tensor out) {
    ops.mean(compute(x), length, compute(out));
    round(out);
  }

  @Override
  public void meanBackward(Tensor dout, int length, Tensor dx) {
    ops.meanBackward(compute(dout), length, compute(dx));
    round(dx);
  }

  @Override
  public void rotary(AttentionShape shape, double theta, int start, boolean inverse, Tensor qkv) {
    ops.rotary(shape, theta, start, inverse, compute(qkv));
    round(qkv);
  }
}
