package dev.sparrow.collective;

/** A peer is gone, refused, out of step, or the collective was closed while a call waited. */
public final class CollectiveException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public CollectiveException(String message) {
    super(message);
  }

  public CollectiveException(String message, Throwable cause) {
    super(message, cause);
  }
}
