package dev.sparrow.backend.cuda;

import com.sun.jna.NativeLibrary;

/** What this machine has, for tests that need it or need its absence. */
final class GpuPresence {
  private GpuPresence() {}

  static boolean driver() {
    try {
      NativeLibrary.getInstance("libcuda.so.1");
      return true;
    } catch (UnsatisfiedLinkError e) {
      return false;
    }
  }
}
