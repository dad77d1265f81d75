package dev.sparrow.backend.cuda;

import jcuda.driver.CUresult;

/**
 * A driver call failed. The message says call, code, name and, where a kernel is concerned, its
 * grid, block and shared bytes. After most codes of asynchronous failures the context is lost.
 */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final String call;
  private final int code;

  /**
   * @param circumstances appended after a colon, such as the launch; empty for none
   */
  CudaException(String call, int code, String circumstances) {
    super(
        call
            + " failed with "
            + code
            + " "
            + CUresult.stringFor(code)
            + (circumstances.isEmpty() ? "" : ": " + circumstances));
    this.call = call;
    this.code = code;
  }

  /** The driver function, such as {@code cuLaunchKernel}. */
  public String call() {
    return call;
  }

  /** The driver's result code, as in CUresult. */
  public int code() {
    return code;
  }
}
