package dev.sparrow.backend;

import java.util.function.IntConsumer;

/**
 * Loops on the host's memory over the threads that work for a rank; of the thread that opened the
 * backend. Tasks call no op and start no loop. Results must depend on the number of a task alone,
 * never on who runs it.
 */
@FunctionalInterface
public interface HostLoop {
  /** On the calling thread alone, in order. */
  HostLoop INLINE =
      (count, task) -> {
        for (int i = 0; i < count; i++) {
          task.accept(i);
        }
      };

  /** Items [from, to). */
  @FunctionalInterface
  interface Range {
    void run(int from, int to);
  }

  /** Runs 0 to count - 1 and returns when all are done; the first error is thrown. */
  void forEach(int count, IntConsumer task);

  /**
   * Cuts [0, length) into ranges of {@code grain} items; the last may be shorter. They depend on
   * length and grain alone.
   */
  default void ranges(int length, int grain, Range body) {
    int count = (int) (((long) length + grain - 1) / grain);
    forEach(count, i -> body.run(i * grain, (int) Math.min(length, (i + 1L) * grain)));
  }
}
