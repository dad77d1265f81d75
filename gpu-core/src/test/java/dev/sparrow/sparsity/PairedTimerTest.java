package dev.sparrow.sparsity;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntToLongFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** By a clock that the work itself moves. */
class PairedTimerTest {
  private final Backend backend = new CpuBackend(1);
  private final List<String> done = new ArrayList<>();
  private long now;
  private final PairedTimer timer = new PairedTimer(backend, () -> now);

  @AfterEach
  void close() {
    backend.close();
  }

  /** Work that takes so long at its n-th time, from 0 on. */
  private Runnable work(String name, IntToLongFunction nanos) {
    return () -> {
      int times = (int) done.stream().filter(name::equals).count();
      now += nanos.applyAsLong(times);
      done.add(name);
    };
  }

  private PairedTimer.Times untilClear(IntToLongFunction a, IntToLongFunction b, long cold) {
    return timer.time(work("a", a), work("b", b), cold);
  }

  private static long falling(int times) {
    return Math.max(8, 1024 >> times);
  }

  @Test
  void twoRoundsTellApartWhatIsClear() {
    assertEquals(new PairedTimer.Times(100, 115), untilClear(i -> 100, i -> 115, 0));
    assertEquals(List.of("a", "b", "a", "b"), done);
  }

  @Test
  void closeTimesAreTakenFiveTimesAndTheLeastCounts() {
    assertEquals(new PairedTimer.Times(98, 110), untilClear(i -> 102 - i, i -> 110 + i, 0));
    assertEquals(10, done.size());
  }

  /** Halved seven times, to 8; the ninth round shows that it stays so. */
  @Test
  void coldRoundsGoOnUntilNeitherBecomesFaster() {
    assertEquals(
        new PairedTimer.Times(8, 900), untilClear(PairedTimerTest::falling, i -> 900, 1_000_000));
    assertEquals(18, done.size());
    done.clear();
    assertEquals(
        new PairedTimer.Times(900, 8), untilClear(i -> 900, PairedTimerTest::falling, 1_000_000));
    assertEquals(18, done.size());
  }

  @Test
  void coldRoundsEndAtTheirLimit() {
    assertEquals(
        new PairedTimer.Times(128, 900), untilClear(PairedTimerTest::falling, i -> 900, 4500));
    assertEquals(8, done.size()); // 1924, 3336, 4492 and 5520 ns have passed
  }
}
