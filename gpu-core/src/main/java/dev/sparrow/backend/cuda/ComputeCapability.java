package dev.sparrow.backend.cuda;

import java.util.List;

/** A GPU's generation, which decides what machine code it runs. */
record ComputeCapability(int major, int minor) {
  /** Code for Hopper with its wgmma and TMA; the suffix ties it to 9.0 alone. */
  static final String HOPPER = "sm_90a";

  /** Code for every supported GPU, as machine code or compiled from its PTX by the driver. */
  static final String BASE = "sm_80";

  /** Throws below 8.0, which has no bf16 tensor cores and no asynchronous copies. */
  void requireSupported(String asked) {
    if (major < 8) {
      throw new CudaUnavailableException(
          asked,
          "expected compute capability 8.0 or later, got " + major + "." + minor,
          "use an Ampere GPU or a later one, or the CPU with train.backend = cpu");
    }
  }

  /** Architectures whose code runs here, the preferred one first. */
  List<String> architectures() {
    return major == 9 && minor == 0 ? List.of(HOPPER, BASE) : List.of(BASE);
  }

  @Override
  public String toString() {
    return "sm_" + major + minor;
  }
}
