package dev.sparrow.bench;

import com.sun.management.ThreadMXBean;
import dev.sparrow.collective.Collective;
import java.lang.management.ManagementFactory;
import java.util.Arrays;

/**
 * Processor time of this process's threads, user and kernel, in one run of {@link AllReduceBench}.
 * The process's own clock would only tick every 10 ms.
 */
final class CpuMeter {
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private final long ringStart = nanos();
  private long ringEnd;
  private long copyStart;

  private static long nanos() {
    long[] times = THREADS.getThreadCpuTime(THREADS.getAllThreadIds());
    return Arrays.stream(times).filter(nanos -> nanos > 0).sum();
  }

  void ringDone() {
    ringEnd = nanos();
  }

  void copyStarts() {
    copyStart = nanos();
  }

  /** Nanoseconds of all ranks together: of the all-reduce, and of the copy, which ends now. */
  double[] sum(Collective ring) {
    double[] nanos = {ringEnd - ringStart, nanos() - copyStart};
    ring.allReduce(nanos);
    return nanos;
  }
}
