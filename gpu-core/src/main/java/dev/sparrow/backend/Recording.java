package dev.sparrow.backend;

/**
 * Work on fixed tensors that runs again and again with other values in them, see {@link
 * Backend#record}. Used and closed by the backend's thread.
 */
public interface Recording extends AutoCloseable {
  /**
   * Runs the work on what its tensors hold now.
   *
   * @param firstToken the run's first token in the batch at hand, for the ops that draw random
   *     numbers
   */
  void run(long firstToken);

  @Override
  void close();
}
