package dev.sparrow.sparsity;

import dev.sparrow.backend.Backend;
import java.util.function.LongSupplier;

/**
 * Times two ways to do the same work on a device, turn by turn, so that both meet the same
 * conditions. The host's clock is read with the device idle, so that this serves every backend.
 */
public final class PairedTimer {
  /** Of each way, where they take nearly the same. */
  private static final int ROUNDS = 5;

  /** By more than what the least of two rounds wavers. */
  private static final double CLEAR = 1.15;

  /** Less than that of the least time so far: not noise, but loops that are compiled meanwhile. */
  private static final double FASTER = 0.9;

  private static final int CLEAR_ROUNDS = 2;
  private static final int COLD_ROUNDS = 3;

  private final Backend backend;
  private final LongSupplier clock; // nanoseconds

  public PairedTimer(Backend backend) {
    this(backend, System::nanoTime);
  }

  PairedTimer(Backend backend, LongSupplier clock) {
    this.backend = backend;
    this.clock = clock;
  }

  /** What each way took. */
  public record Times(long firstNanos, long secondNanos) {}

  /**
   * The least that each way took, in as few rounds as tell them apart.
   *
   * @param coldNanos above 0: loops may not be compiled yet, so rounds go on until neither way
   *     becomes faster any more, or for so long
   */
  public Times time(Runnable first, Runnable second, long coldNanos) {
    long begun = clock.getAsLong();
    long firstLeast = Long.MAX_VALUE;
    long secondLeast = Long.MAX_VALUE;
    int least = coldNanos > 0 ? COLD_ROUNDS : CLEAR_ROUNDS;
    int round = 0;
    boolean compiling = false;
    while (round < least || compiling || round < ROUNDS && !isClear(firstLeast, secondLeast)) {
      long firstNanos = nanos(first);
      long secondNanos = nanos(second);
      boolean faster = firstNanos < FASTER * firstLeast || secondNanos < FASTER * secondLeast;
      compiling = faster && clock.getAsLong() - begun < coldNanos;
      firstLeast = Math.min(firstLeast, firstNanos);
      secondLeast = Math.min(secondLeast, secondNanos);
      round++;
    }
    return new Times(firstLeast, secondLeast);
  }

  private static boolean isClear(long first, long second) {
    return Math.max(first, second) >= CLEAR * Math.min(first, second);
  }

  private long nanos(Runnable work) {
    backend.synchronize();
    long begun = clock.getAsLong();
    work.run();
    backend.synchronize();
    return clock.getAsLong() - begun;
  }
}
