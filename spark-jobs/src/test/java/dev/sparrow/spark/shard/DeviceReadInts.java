package dev.sparrow.spark.shard;

import dev.sparrow.tensor.HostInts;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** Host memory whose device reads it until the test says that it has. */
final class DeviceReadInts implements HostInts {
  private final IntBuffer values;
  private final CountDownLatch waited = new CountDownLatch(1);
  private volatile CountDownLatch reading = new CountDownLatch(0);
  private boolean closed;

  private DeviceReadInts(int count) {
    this.values = IntBuffer.allocate(count);
  }

  /** Gives memory and keeps what it gave. */
  static final class Given {
    final List<DeviceReadInts> all = new ArrayList<>();

    HostInts apply(int count) {
      all.add(new DeviceReadInts(count));
      return all.get(all.size() - 1);
    }

    long closed() {
      return all.stream().filter(ints -> ints.closed).count();
    }
  }

  /** From now on the device reads. */
  void startReading() {
    reading = new CountDownLatch(1);
  }

  void endReading() {
    reading.countDown();
  }

  /** Returns when somebody waits for the device's reading. */
  void untilSomebodyWaits() throws InterruptedException {
    waited.await();
  }

  @Override
  public IntBuffer values() {
    return values;
  }

  @Override
  public void awaitTakenSync() {
    if (reading.getCount() > 0) {
      waited.countDown();
    }
    try {
      reading.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    closed = true;
  }
}
