package dev.sparrow.train;

/** The training thread was interrupted, as Spark does when a job is cancelled. */
public final class TrainingInterruptedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public TrainingInterruptedException(String message) {
    super(message);
  }
}
