package dev.sparrow.backend;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

/**
 * What the ops of one test case come to. An emulated GPU is about a thousand times slower than a
 * real one: it does half a GFLOP of products, or ten million operations on elements, in a second.
 * Cases of more than two seconds are skipped there; other backends run all of them.
 *
 * @param flops multiplications and additions in products
 * @param elements reads or writes of an element in all other ops
 */
record Cost(double flops, double elements) {
  private static final double FLOPS_PER_SECOND = 5e8;
  private static final double ELEMENTS_PER_SECOND = 1e7;
  private static final double LIMIT_SECONDS = 2;

  /** Of {@code count} products of so many rows, columns and summed terms. */
  static Cost products(int count, double rows, double columns, double terms) {
    return new Cost(2 * count * rows * columns * terms, 0);
  }

  /** Of {@code count} passes over tensors of {@code size} elements. */
  static Cost passes(int count, double size) {
    return new Cost(0, count * size);
  }

  Cost plus(Cost other) {
    return new Cost(flops + other.flops, elements + other.elements);
  }

  /** On an emulated GPU. */
  double seconds() {
    return flops / FLOPS_PER_SECOND + elements / ELEMENTS_PER_SECOND;
  }

  /** Ends the test as skipped on a slow backend if it would take too long there. */
  void assumeAffordable(boolean slow) {
    assumeTrue(
        !slow || seconds() <= LIMIT_SECONDS,
        () ->
            "takes about %.1f s on this slow backend, the limit is %.1f s; faster ones run it"
                .formatted(seconds(), LIMIT_SECONDS));
  }
}
