package dev.sparrow.backend;

/**
 * The ranks' devices do not reach each other, one is gone or out of step, or the call was ended.
 */
public final class DeviceGroupException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public DeviceGroupException(String message) {
    super(message);
  }

  public DeviceGroupException(String message, Throwable cause) {
    super(message, cause);
  }
}
