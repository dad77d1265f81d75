package dev.sparrow.train;

/** Loss, gradient or weights ceased to be finite; thrown on every rank, nothing is saved of it. */
public final class TrainingDivergedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final long step;

  public TrainingDivergedException(long step, String message) {
    super(message);
    this.step = step;
  }

  /** The update that was not made. */
  public long step() {
    return step;
  }
}
