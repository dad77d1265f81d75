package dev.sparrow.spark.data;

/** Data or settings that cannot be used; the message is one line with cause and cure. */
public final class DataException extends RuntimeException {
  public DataException(String message) {
    super(message);
  }

  public DataException(String message, Throwable cause) {
    super(message, cause);
  }

  /** The data error that a failed Spark job carries, else the failure itself as one. */
  public static DataException of(String what, Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof DataException found) {
        return found;
      }
    }
    return new DataException(what + ": " + firstLine(failure), failure);
  }

  private static String firstLine(Throwable failure) {
    String message = String.valueOf(failure.getMessage());
    return message.lines().findFirst().orElse(failure.getClass().getSimpleName());
  }
}
