package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a step leaves to the garbage collector, read from the JVM's per-thread counters. */
class AllocationTest {
  /**
   * Until the compiler has taken up the last vector loop: interpreted, each vector is an object.
   */
  private static final int WARM_UP = 1400;

  /** Lambdas, views of tensors and passes: some 40 bytes each, a few hundred a step. */
  private static final long BYTES_PER_STEP = 128 << 10;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private static long allocated() {
    return THREADS.getCurrentThreadAllocatedBytes();
  }

  /** Bytes of each step after the warm-up, on the training thread. */
  private static List<Long> bytesPerStep(ToyRun run) {
    List<Long> readings = new ArrayList<>(2000);
    run.hook(
            (step, arena, backend) -> {
              readings.add(allocated());
              return false;
            })
        .alone();
    List<Long> bytes = new ArrayList<>();
    for (int i = WARM_UP; i < readings.size(); i++) {
      bytes.add(readings.get(i) - readings.get(i - 1));
    }
    return bytes;
  }

  @Test
  void aStepLeavesSmallConstantGarbage() {
    String[] settings = {
      "train.steps=1500", "train.log-every=1000", "model.dropout=0.1", "model.activation=gelu"
    };
    List<Long> small = bytesPerStep(new ToyRun(settings));
    assertTrue(
        median(small) <= BYTES_PER_STEP,
        "expected at most " + BYTES_PER_STEP + " bytes a step, got " + small);
    String[] wide = {
      "train.steps=1500",
      "train.log-every=1000",
      "model.dropout=0.1",
      "model.activation=gelu",
      "model.width=64"
    };
    List<Long> large = bytesPerStep(new ToyRun(wide));
    // Which views and loop bodies the compiler takes off the heap depends on what ran before in
    // this JVM: 29 and 58 kB have been seen here, megabytes where it boxes vectors.
    assertTrue(
        median(large) <= BYTES_PER_STEP,
        "expected at most "
            + BYTES_PER_STEP
            + " bytes a step at 16 times the weights, got "
            + large);
  }

  /** A step in which the compiler exchanges a method allocates more than the others. */
  private static long median(List<Long> bytes) {
    List<Long> sorted = new ArrayList<>(bytes);
    Collections.sort(sorted);
    return sorted.get(sorted.size() / 2);
  }
}
