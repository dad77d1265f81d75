package dev.sparrow.backend.cuda;

/**
 * A kernel of the index, compiled for one architecture, with what ptxas said of it.
 *
 * @param name the {@code extern "C"} name
 * @param file the fatbin that holds it, beside the index
 * @param arch such as {@code sm_80}
 * @param registers of a thread
 * @param sharedBytes static shared memory of a block
 * @param spillStores bytes, as are spillLoads and stackFrame
 */
record KernelEntry(
    String name,
    String file,
    String arch,
    int registers,
    int sharedBytes,
    int spillStores,
    int spillLoads,
    int stackFrame) {
  KernelEntry {
    if (!file.matches("[A-Za-z0-9_.-]+\\.fatbin")) {
      throw new IllegalArgumentException(
          "kernel index: " + name + ": expected a file <family>.fatbin, got " + file);
    }
    if (Math.min(registers, sharedBytes) < 0) {
      throw new IllegalArgumentException("kernel index: " + name + ": negative resources");
    }
  }
}
