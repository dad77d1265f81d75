package dev.sparrow.checkpoint;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Writes checkpoints on a thread of its own, at most one at a time. What goes wrong there is thrown
 * by the next call here. One thread calls.
 */
public final class CheckpointWriter implements AutoCloseable {
  private final CheckpointStore store;
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(
          task -> {
            Thread writer = new Thread(task, "sparrow-checkpoint");
            writer.setDaemon(true);
            return writer;
          });
  private Future<?> inFlight;

  public CheckpointWriter(CheckpointStore store) {
    this.store = store;
  }

  /**
   * Returns when nothing is being written, so that the arrays of the last content may change.
   *
   * @throws CheckpointException where the last write failed
   */
  public void await() {
    if (inFlight == null) {
      return;
    }
    Future<?> waited = inFlight;
    inFlight = null;
    try {
      waited.get();
    } catch (ExecutionException failed) {
      throw new CheckpointException(
          store.directory()
              + ": cannot write a checkpoint: "
              + failed.getCause().getMessage()
              + "; the ones before it are as they were",
          failed.getCause());
    } catch (InterruptedException interrupted) {
      inFlight = waited;
      Thread.currentThread().interrupt();
      throw new CheckpointException("checkpoint: interrupted while one was written", interrupted);
    }
  }

  /** Starts to write; waits for the one before. */
  public void write(CheckpointContent content) {
    await();
    inFlight =
        thread.submit(
            () -> {
              store.write(content);
              return null;
            });
  }

  /**
   * Waits for what is in flight, even where the caller was interrupted: whoever takes over this run
   * must not meet a writer of the last attempt.
   */
  @Override
  public void close() {
    thread.shutdown();
    boolean interrupted = Thread.interrupted();
    try {
      await();
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
