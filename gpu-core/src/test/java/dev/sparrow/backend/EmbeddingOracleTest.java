package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** The oracle's look-ups and rotary positions: backward is the derivative of forward. */
class EmbeddingOracleTest {
  private final ReferenceBackend backend = new ReferenceBackend();
  private final EmbeddingOps ops = backend.embedding();
  private final Oracle oracle = new Oracle(backend, 15);

  @Test
  void backwardIsTheDerivativeOfForward() {
    Tensor ids = backend.tensor(new int[] {2, 0, 2, 1, 2}, 5);
    Tensor table = oracle.normal(4, 3);
    Tensor out = backend.allocate(5, 3);
    Tensor dout = oracle.normal(5, 3);
    Tensor dtable = backend.allocate(4, 3);
    ops.backward(ids, dout, dtable);
    new FiniteDifferences(
            () -> {
              ops.forward(ids, table, out);
              return FiniteDifferences.dot(out, dout);
            })
        .gradient("table", table, dtable)
        .check();
  }

  @Test
  void positionsBackwardIsTheDerivativeOfAddPositions() {
    Tensor positions = oracle.normal(6, 3);
    Tensor x = oracle.normal(8, 3);
    Tensor sum = backend.allocate(8, 3);
    Tensor dx = oracle.normal(8, 3);
    Tensor dpositions = backend.allocate(6, 3);
    ops.addPositionsBackward(dx, 4, 1, dpositions);
    new FiniteDifferences(
            () -> {
              backend.elementwise().copy(x, sum);
              ops.addPositions(positions, 4, 1, sum);
              return FiniteDifferences.dot(sum, dx);
            })
        .gradient("positions", positions, dpositions)
        .check();
  }

  @Test
  void inverseRotaryIsTheDerivativeOfRotary() {
    AttentionShape shape = new AttentionShape(2, 3, 2, 4);
    Tensor qkv = oracle.normal(6, 24);
    Tensor rotated = backend.allocate(6, 24);
    Tensor dqkv = oracle.normal(6, 24);
    Tensor dinput = backend.allocate(6, 24);
    backend.elementwise().copy(dqkv, dinput);
    ops.rotary(shape, 10000, 2, true, dinput);
    new FiniteDifferences(
            () -> {
              backend.elementwise().copy(qkv, rotated);
              ops.rotary(shape, 10000, 2, false, rotated);
              return FiniteDifferences.dot(rotated, dqkv);
            })
        .gradient("qkv", qkv, dinput)
        .allElements()
        .check();
  }

  /** Position 1, head of width 2: pair 0 turns by one radian, values stay. */
  @Test
  void rotaryTurnsQueriesAndKeysByTheirPosition() {
    AttentionShape shape = new AttentionShape(1, 1, 1, 2);
    Tensor qkv = backend.tensor(new double[] {1, 0, 0, 1, 5, 7}, 1, 6);
    ops.rotary(shape, 10000, 1, false, qkv);
    double[] expected = {Math.cos(1), Math.sin(1), -Math.sin(1), Math.cos(1), 5, 7};
    assertArrayEquals(expected, backend.download(qkv), 1e-15);
  }
}
