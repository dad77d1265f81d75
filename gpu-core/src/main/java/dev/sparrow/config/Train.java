package dev.sparrow.config;

import dev.sparrow.backend.CudaSettings;

/** The run. Keys {@code train.*}; conf/reference.conf tells each one's meaning, unit and range. */
public record Train(
    long steps,
    int batch,
    int microBatch,
    long seed,
    String from,
    int logEvery,
    int validateEvery,
    int validationSequences,
    BackendChoice backend,
    int threads,
    CudaSettings cuda) {
  /** What a rank computes on. */
  public enum BackendChoice {
    /** The GPU that Spark gave the task, the CPU where it gave none. */
    AUTO,
    CPU,
    /** A GPU or nothing. */
    CUDA
  }
}
