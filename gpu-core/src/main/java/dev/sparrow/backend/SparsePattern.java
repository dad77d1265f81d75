package dev.sparrow.backend;

/**
 * A {@link UniformPattern} in the memory of a backend, with the view of its transpose that backward
 * passes walk. Made by {@link SparseOps#load}; closing gives its memory back.
 */
public interface SparsePattern extends AutoCloseable {
  /** The same on the host. */
  UniformPattern pattern();

  @Override
  void close();
}
