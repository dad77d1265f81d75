package dev.sparrow.checkpoint;

/** A checkpoint could not be written, or what was read does not fit; the message names the cure. */
public final class CheckpointException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public CheckpointException(String message) {
    super(message);
  }

  public CheckpointException(String message, Throwable cause) {
    super(message, cause);
  }
}
