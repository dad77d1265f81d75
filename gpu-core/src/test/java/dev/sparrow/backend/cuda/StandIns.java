package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.jna.NativeLibrary;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The stand-ins of cuBLASLt and NCCL that kernels/emulate/libraries builds for the emulated driver.
 * As that does, each has its real name to the loader: once it is loaded by its path, whoever asks
 * for it by name gets it, for the rest of this JVM.
 */
final class StandIns {
  private static final String CUBLAS_LT = "libcublasLt.so.13";
  private static final String NCCL = "libnccl.so.2";

  private StandIns() {}

  /** Goes on with the emulated driver and a cuBLASLt; skips where they are not to be had. */
  static void assumeCublasLt() {
    assume(CUBLAS_LT);
  }

  /** Goes on with the emulated driver and an NCCL; skips where they are not to be had. */
  static void assumeNccl() {
    assume(NCCL);
  }

  private static void assume(String library) {
    GpuPresence.assumeEmulated();
    Path path = EmulatedDriver.folder().resolve("libraries").resolve(library);
    assumeTrue(
        Files.exists(path),
        () -> path + " is not here; install g++ and run kernels/emulate/libraries/build.sh");
    System.load(path.toString());
  }

  /** Products that cuBLASLt has queued so far. */
  static long products() {
    Object[] none = {};
    return NativeLibrary.getInstance(CUBLAS_LT)
        .getFunction("sparrowCublasLtProducts")
        .invokeLong(none);
  }

  /** Whether cuBLASLt has no algorithm for anything from now on. */
  static void refuseProducts(boolean refuse) {
    set(CUBLAS_LT, "sparrowCublasLtRefuse", refuse ? 1 : 0);
  }

  /** How much longer cuBLASLt's products take from now on. */
  static void delayProducts(int millis) {
    set(CUBLAS_LT, "sparrowCublasLtDelay", millis);
  }

  /** The status that cuBLASLt's next product answers, without doing anything. */
  static void failProduct(int status) {
    set(CUBLAS_LT, "sparrowCublasLtFail", status);
  }

  /**
   * Ranks meet on the device from now on, which spins for about so many milliseconds at most; 0:
   * they meet when they call, and their communicator is in progress until then.
   */
  static void spin(int millis) {
    set(NCCL, "sparrowNcclSpin", millis);
  }

  /** Whether ranks are told from now on that another one aborted. */
  static void tellPeers(boolean tell) {
    set(NCCL, "sparrowNcclTellPeers", tell ? 1 : 0);
  }

  private static void set(String library, String function, int value) {
    Object[] arguments = {value};
    NativeLibrary.getInstance(library).getFunction(function).invoke(Void.class, arguments);
  }
}
