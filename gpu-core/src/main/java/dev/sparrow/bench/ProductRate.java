package dev.sparrow.bench;

/**
 * What large products give in this process, on the device that is measured; other work is told as a
 * share of it. Used by the backend's thread.
 */
public interface ProductRate {
  /** The product in the names of metrics, such as {@code sgemm}. */
  String name();

  FlopUnit unit();

  /** Median of some runs, in {@link #unit}; makes its matrices and gives them back. */
  double measure();
}
