package dev.sparrow.backend.cuda;

/**
 * The GPU that was asked for cannot be opened, or not with what this build brings. One line: what
 * was asked, what is missing, and the cure. Never answered by training on the CPU instead.
 */
public final class CudaUnavailableException extends RuntimeException {
  private static final long serialVersionUID = 1;

  CudaUnavailableException(String asked, String missing, String cure, Throwable cause) {
    super(asked + ": " + missing + "; " + cure, cause);
  }

  CudaUnavailableException(String asked, String missing, String cure) {
    this(asked, missing, cure, null);
  }
}
