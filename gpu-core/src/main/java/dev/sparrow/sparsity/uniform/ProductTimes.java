package dev.sparrow.sparsity.uniform;

/**
 * What a layer's three products of one micro-batch take, by its non-zeros and as a whole matrix.
 */
public record ProductTimes(long sparseNanos, long wholeNanos) {
  /** Of equal times the smaller form's. */
  boolean sparseIsFaster() {
    return sparseNanos <= wholeNanos;
  }
}
