package dev.sparrow.sparsity.uniform;

/**
 * What a layer's three products of one micro-batch take, by its non-zeros and as a whole matrix.
 */
public record ProductTimes(long sparseNanos, long wholeNanos) {
  /**
   * What times of a few micro-batches waver by, the first of a process most of all: within it the
   * non-zeros may be the slower form, and whole matrices are never slower than a dense model's.
   */
  private static final double DOUBT = 1.05;

  /** By more than is in doubt. */
  boolean sparseIsFaster() {
    return DOUBT * sparseNanos <= wholeNanos;
  }
}
