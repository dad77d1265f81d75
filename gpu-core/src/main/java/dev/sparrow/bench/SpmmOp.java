package dev.sparrow.bench;

/** The products around a weight. */
enum SpmmOp {
  /** {@code y = x·Wᵀ}. */
  FORWARD("forward"),
  /** {@code dx = dy·W}. */
  BACKWARD_INPUT("dx"),
  /** {@code dW += dyᵀ·x} at the non-zeros. */
  BACKWARD_WEIGHT("dw");

  private final String metric;

  SpmmOp(String metric) {
    this.metric = metric;
  }

  /** As the rows of the bench name it. */
  String metric() {
    return metric;
  }
}
