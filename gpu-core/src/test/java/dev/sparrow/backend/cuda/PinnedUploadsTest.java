package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.tensor.HostInts;
import dev.sparrow.tensor.Shape;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The order of pinned uploads, on an emulated GPU that runs nothing before somebody waits and then
 * either stream first, by the seed. Each event of {@link PinnedUploads} has a test that fails under
 * some seeds without it.
 */
class PinnedUploadsTest {
  private static final int SEEDS = 20;
  private static final int COUNT = 128;
  private static final int BYTES = COUNT * Integer.BYTES;

  @BeforeEach
  void load() {
    GpuPresence.assumeEmulated();
  }

  /** A GPU, its memory and what is tested. */
  private static final class Device implements AutoCloseable {
    final EmulatedDriverFixture gpu;
    final CachingAllocator memory;
    final PinnedUploads uploads;

    Device(long seed) {
      gpu = EmulatedDriverFixture.seeded(seed);
      memory = new CachingAllocator(gpu.memory);
      uploads = new PinnedUploads(gpu.context, memory, gpu.compute);
    }

    long allocate() {
      return memory.allocate(BYTES, "tensor", Shape.of(COUNT));
    }

    /** Writes the value everywhere, once that may be done, and uploads it. */
    void upload(int value, HostInts host, long tensor) {
      host.awaitTakenSync();
      write(value, host);
      uploads.upload(host, tensor, BYTES);
    }

    /** The values of a tensor, all of which are the same. */
    int read(long tensor) {
      try (PinnedBuffer down = PinnedBuffer.allocate(BYTES)) {
        gpu.compute.download(tensor, down, 0, BYTES);
        gpu.compute.synchronizeSync();
        for (int i = 1; i < COUNT; i++) {
          assertEquals(down.buffer().getInt(0), down.buffer().getInt(i * Integer.BYTES));
        }
        return down.buffer().getInt(0);
      }
    }

    @Override
    public void close() {
      gpu.compute.synchronizeSync();
      uploads.close();
      memory.close();
      gpu.close();
    }
  }

  private static void write(int value, HostInts host) {
    for (int i = 0; i < COUNT; i++) {
      host.values().put(i, value);
    }
  }

  private interface Use {
    void of(Device device);
  }

  private static void underAllSeeds(Use use) {
    for (int seed = 0; seed < SEEDS; seed++) {
      try (Device device = new Device(seed)) {
        use.of(device);
      }
    }
  }

  /** Fails without the compute stream's wait for the copy. */
  @Test
  void opsReadWhatWasUploaded() {
    underAllSeeds(
        device -> {
          long tensor = device.allocate();
          device.upload(5, device.uploads.allocate(COUNT), tensor);
          assertEquals(5, device.read(tensor));
          device.memory.free(tensor);
        });
  }

  /** Fails without the copy's wait for the step out of the landing. */
  @Test
  void aSecondCopyWaitsForTheReaderOfTheFirst() {
    underAllSeeds(
        device -> {
          long first = device.allocate();
          long second = device.allocate();
          HostInts host = device.uploads.allocate(COUNT);
          device.upload(1, host, first);
          device.upload(2, host, second);
          assertEquals(1, device.read(first));
          assertEquals(2, device.read(second));
          device.memory.free(first);
          device.memory.free(second);
        });
  }

  /** Fails without the host's wait for the copy. */
  @Test
  void whatIsWrittenOnceTheCopyIsThroughComesTooLateForIt() {
    underAllSeeds(
        device -> {
          long tensor = device.allocate();
          HostInts host = device.uploads.allocate(COUNT);
          device.upload(1, host, tensor);
          host.awaitTakenSync();
          write(2, host);
          assertEquals(1, device.read(tensor));
          device.memory.free(tensor);
        });
  }

  /** Fails without the copy's wait for what the ops still do with freed memory. */
  @Test
  void aLandingMayLieWhereOpsStillRead() {
    underAllSeeds(
        device -> {
          long copy = device.allocate();
          long tensor = device.allocate();
          long freed = device.allocate();
          device.gpu.compute.launch(device.gpu.fill(7, freed, COUNT));
          device.gpu.compute.copy(freed, copy, BYTES);
          device.memory.free(freed);
          device.upload(1, device.uploads.allocate(COUNT), tensor);
          assertEquals(7, device.read(copy));
          assertEquals(1, device.read(tensor));
          device.memory.free(copy);
          device.memory.free(tensor);
        });
  }

  /** The old values' readers need not say when they are through. */
  @Test
  void opsCalledBeforeTheUploadReadTheOldValues() {
    underAllSeeds(
        device -> {
          long tensor = device.allocate();
          long[] read = new long[4];
          HostInts[] hosts = {device.uploads.allocate(COUNT), device.uploads.allocate(COUNT)};
          for (int i = 0; i < read.length; i++) {
            read[i] = device.allocate();
            device.upload(i, hosts[i % 2], tensor);
            device.gpu.compute.copy(tensor, read[i], BYTES);
          }
          for (int i = 0; i < read.length; i++) {
            assertEquals(i, device.read(read[i]));
            device.memory.free(read[i]);
          }
          device.memory.free(tensor);
        });
  }

  /** Four batches in two buffers: all are written and uploaded while the ops have not begun. */
  @Test
  void theHostWaitsForNoOpsUntilEachBufferWentRoundTwice() {
    int ahead = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
      try (Device device = new Device(seed);
          PinnedBuffer begun = PinnedBuffer.allocate(BYTES)) {
        begun.buffer().putInt(0, 0);
        long tensor = device.allocate();
        HostInts[] hosts = {device.uploads.allocate(COUNT), device.uploads.allocate(COUNT)};
        device.gpu.compute.launch(device.gpu.fill(9, tensor, COUNT));
        device.gpu.compute.download(tensor, begun, 0, BYTES);
        for (int i = 0; i < 4; i++) {
          device.upload(i, hosts[i % 2], tensor);
        }
        ahead += begun.buffer().getInt(0) == 0 ? 1 : 0;
        device.gpu.compute.synchronizeSync();
        device.memory.free(tensor);
      }
    }
    assertTrue(ahead > 0, "some op ran under every seed");
  }

  @Test
  void anotherThreadMayFill() {
    underAllSeeds(
        device -> {
          long[] tensors = {device.allocate(), device.allocate()};
          HostInts host = device.uploads.allocate(COUNT);
          device.upload(1, host, tensors[0]);
          CompletableFuture.runAsync(
                  () -> {
                    host.awaitTakenSync();
                    write(2, host);
                  })
              .join();
          device.uploads.upload(host, tensors[1], BYTES);
          assertEquals(1, device.read(tensors[0]));
          assertEquals(2, device.read(tensors[1]));
          device.memory.free(tensors[0]);
          device.memory.free(tensors[1]);
        });
  }

  /** The driver refuses to free pinned memory that a queued copy reads. */
  @Test
  void closingWaitsForTheCopyAndTheLandingMayBeUsedAtOnce() {
    underAllSeeds(
        device -> {
          long tensor = device.allocate();
          HostInts host = device.uploads.allocate(COUNT);
          device.upload(4, host, tensor);
          host.close();
          host.close();
          long reused = device.allocate();
          device.gpu.compute.zero(reused, BYTES);
          assertEquals(4, device.read(tensor));
          assertFalse(device.uploads.gave(host));
          device.memory.free(reused);
          device.memory.free(tensor);
        });
  }

  @Test
  void memoryIsDirectAndDeadOnceClosedAndOverlongUploadsAreRefused() {
    try (Device device = new Device(0)) {
      HostInts host = device.uploads.allocate(COUNT);
      assertTrue(host.values().isDirect());
      assertEquals(COUNT, host.values().limit());
      int[] numbers = {1, -1, 1 << 30};
      int[] back = new int[3];
      host.values().put(0, numbers, 0, 3).get(0, back, 0, 3);
      assertArrayEquals(numbers, back);
      long tensor = device.memory.allocate(2 * BYTES, "tensor", Shape.of(2 * COUNT));
      assertThrows(
          IllegalArgumentException.class, () -> device.uploads.upload(host, tensor, BYTES + 4));
      host.close();
      assertThrows(IllegalStateException.class, host::values);
      assertThrows(IllegalStateException.class, host::awaitTakenSync);
      device.memory.free(tensor);
    }
  }
}
