package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** The oracle's sparse products: backward is the derivative of forward. */
class SparseOracleTest {
  private final ReferenceBackend backend = new ReferenceBackend();
  private final SparseOps ops = backend.sparse();
  private final Oracle oracle = new Oracle(backend, 19);

  @Test
  void backwardIsTheDerivativeOfForward() {
    SparsePattern pattern = ops.load(SparsePatterns.random(3, 8, 9, 3, 2, 9, 3));
    int live = pattern.pattern().liveRows();
    Tensor x = oracle.normal(5, 9);
    Tensor values = oracle.normal(live, 3);
    Tensor bias = oracle.normal(8);
    Tensor y = backend.allocate(5, 8);
    Tensor dy = oracle.normal(5, 8);
    Tensor dx = oracle.poisoned(5, 9);
    Tensor dvalues = backend.allocate(live, 3);
    Tensor dbias = backend.allocate(8);
    ops.backwardInput(dy, values, pattern, false, dx);
    ops.backwardWeight(dy, x, pattern, dvalues, dbias);
    new FiniteDifferences(
            () -> {
              ops.forward(x, values, pattern, bias, null, y);
              return FiniteDifferences.dot(y, dy);
            })
        .gradient("x", x, dx)
        .gradient("values", values, dvalues)
        .gradient("bias", bias, dbias)
        .check();
  }

  @Test
  void groupedBackwardIsTheDerivativeOfGroupedForward() {
    GroupedSparseOps grouped = backend.groupedSparse();
    SparsePattern pattern = grouped.load(SparsePatterns.random(3, 12, 9, 3, 2, 9, 5), 3);
    int live = pattern.pattern().liveRows();
    Tensor offsets = backend.tensor(new int[] {0, 3, 3, 5}, 4);
    Tensor x = oracle.normal(5, 9);
    Tensor values = oracle.normal(live, 3);
    Tensor y = backend.allocate(5, 4);
    Tensor dy = oracle.normal(5, 4);
    Tensor dx = oracle.poisoned(5, 9);
    Tensor dvalues = backend.allocate(live, 3);
    grouped.backwardInput(dy, values, pattern, offsets, false, dx);
    grouped.backwardWeight(dy, x, pattern, offsets, dvalues);
    new FiniteDifferences(
            () -> {
              grouped.forward(x, values, pattern, offsets, y);
              return FiniteDifferences.dot(y, dy);
            })
        .gradient("x", x, dx)
        .gradient("values", values, dvalues)
        .check();
  }
}
