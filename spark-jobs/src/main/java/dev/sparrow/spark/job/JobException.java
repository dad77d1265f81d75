package dev.sparrow.spark.job;

/** A job cannot go on; the message is one line that says what, expected, got and the cure. */
public final class JobException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public JobException(String message) {
    super(message);
  }

  public JobException(String message, Throwable cause) {
    super(message, cause);
  }
}
