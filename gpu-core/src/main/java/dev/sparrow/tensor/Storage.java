package dev.sparrow.tensor;

/** Memory of one backend, owned by whoever allocated it. Each backend has its own kind. */
public interface Storage {
  DType dtype();

  /** Capacity in elements. */
  long length();
}
