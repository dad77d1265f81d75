package dev.sparrow.bench;

import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchSource;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Batches of another source, each after a while. */
record SlowSource(BatchSource inner, long millis) implements BatchSource {
  @Override
  public Batch next() {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
    return inner.next();
  }

  @Override
  public long samplesPerEpoch() {
    return inner.samplesPerEpoch();
  }

  @Override
  public long position() {
    return inner.position();
  }

  @Override
  public void restore(long position) {
    inner.restore(position);
  }

  @Override
  public void close() {
    inner.close();
  }
}
