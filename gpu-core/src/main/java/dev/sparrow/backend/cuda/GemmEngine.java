package dev.sparrow.backend.cuda;

/** One way to multiply. {@link CudaMatmulOps} asks its engines in turn, the preferred one first. */
interface GemmEngine {
  /** Whether {@link #run} can do the call, with all that is asked for on the product's way out. */
  boolean fits(GemmCall call);

  /** Queues the product on the compute stream; the call's sizes are at least 1. */
  void run(GemmCall call);

  /** In a few words, for the backend's description. */
  String description();
}
