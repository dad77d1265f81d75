package dev.sparrow.backend.cuda;

/**
 * A call to cuBLASLt failed. The message says call, version of the library, status, its name, and
 * the product's shapes.
 */
public final class CublasException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /**
   * @param name as cublasLtGetStatusName tells it
   */
  CublasException(String call, String version, int status, String name, String circumstances) {
    super("%s of %s failed with %d %s: %s".formatted(call, version, status, name, circumstances));
  }
}
