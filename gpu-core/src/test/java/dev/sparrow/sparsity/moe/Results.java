package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.TensorAssert;
import dev.sparrow.sparsity.moe.MoeFixture.Result;

/** Compares outputs, every gradient and the figures of two passes. */
final class Results {
  private Results() {}

  /**
   * @param absolute allowed where terms cancel
   * @param relative share of the expected value
   */
  static void check(
      Result expected, Result actual, double absolute, double relative, String context) {
    TensorAssert asserts = new TensorAssert(context, absolute, relative);
    asserts.check("out", expected.out(), actual.out());
    asserts.check("dx", expected.dx(), actual.dx());
    asserts.check("drouter", expected.drouter(), actual.drouter());
    asserts.check("dgate", expected.dgate(), actual.dgate());
    asserts.check("dup", expected.dup(), actual.dup());
    asserts.check("ddown", expected.ddown(), actual.ddown());
    for (String name : expected.figures().keySet()) {
      asserts.check(
          name,
          new double[] {expected.figures().get(name)},
          new double[] {actual.figures().get(name)});
    }
  }
}
