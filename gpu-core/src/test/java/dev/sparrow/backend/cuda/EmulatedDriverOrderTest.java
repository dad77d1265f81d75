package dev.sparrow.backend.cuda;

import static dev.sparrow.backend.cuda.EmulatedDriverFixture.refused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.ToIntFunction;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * That the emulated driver runs what may be exchanged in either order: nothing before somebody
 * waits, then one stream or the other by the seed.
 */
class EmulatedDriverOrderTest {
  private static final int SEEDS = 20;
  private static final int UPLOADED = 5;

  @BeforeEach
  void load() {
    GpuPresence.assumeEmulated();
  }

  /** How many of the seeds let the result differ from what was uploaded. */
  private static int wrong(ToIntFunction<EmulatedDriverFixture> result) {
    int wrong = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
      try (EmulatedDriverFixture gpu = EmulatedDriverFixture.seeded(seed)) {
        wrong += result.applyAsInt(gpu) == UPLOADED ? 0 : 1;
      }
    }
    return wrong;
  }

  /** What the compute stream reads of an upload by the copy stream. */
  private static int readOfUpload(EmulatedDriverFixture gpu, boolean ordered) {
    long address = gpu.memory.allocate(4);
    try (PinnedBuffer up = PinnedBuffer.allocate(4);
        Event there = Event.ordering()) {
      up.buffer().putInt(0, UPLOADED);
      gpu.copy.upload(up, 0, address, 4);
      gpu.copy.record(there);
      if (ordered) {
        gpu.compute.await(there);
      }
      int read = gpu.firstInt(address);
      gpu.copy.synchronizeSync();
      gpu.memory.free(address);
      return read;
    }
  }

  @Test
  void aMissingEventShowsUnderSomeSeedsAndTheRightOrderUnderNone() {
    int wrong = wrong(gpu -> readOfUpload(gpu, false));
    assertTrue(wrong > 0 && wrong < SEEDS, wrong + " of " + SEEDS);
    assertEquals(0, wrong(gpu -> readOfUpload(gpu, true)));
  }

  /** The next upload overwrites what the compute stream has not read yet. */
  @Test
  void anUploadThatDoesNotWaitForTheReaderShowsUnderSomeSeeds() {
    int wrong =
        wrong(
            gpu -> {
              long address = gpu.memory.allocate(4);
              gpu.compute.launch(gpu.fill(UPLOADED, address, 1));
              gpu.compute.synchronizeSync();
              gpu.copy.zero(address, 4);
              int read = gpu.firstInt(address);
              gpu.copy.synchronizeSync();
              gpu.memory.free(address);
              return read;
            });
    assertTrue(wrong > 0 && wrong < SEEDS, wrong + " of " + SEEDS);
  }

  @Test
  void functionsOfTheHostRunInTheirPlaceAndNotBefore() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0");
        PinnedBuffer down = PinnedBuffer.allocate(4)) {
      long address = gpu.memory.allocate(4);
      AtomicInteger seen = new AtomicInteger();
      gpu.compute.launch(gpu.fill(9, address, 1));
      gpu.compute.download(address, down, 0, 4);
      gpu.compute.check(
          "cuLaunchHostFunc",
          JCudaDriver.cuLaunchHostFunc(
              gpu.compute.handle(), data -> seen.set(down.buffer().getInt(0)), null));
      gpu.compute.zero(address, 4);
      assertEquals(0, seen.get());
      gpu.compute.synchronizeSync();
      assertEquals(9, seen.get());
      gpu.memory.free(address);
    }
  }

  @Test
  void whoeverAsksOftenEnoughFindsTheWorkDone() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0")) {
      long address = gpu.memory.allocate(4);
      for (int i = 0; i < 10; i++) {
        gpu.compute.launch(gpu.fill(i, address, 1));
      }
      assertFalse(gpu.compute.isDone());
      int asked = 1;
      while (!gpu.compute.isDone()) {
        asked++;
      }
      assertTrue(asked >= 9, asked + " times");
      gpu.memory.free(address);
    }
  }

  // ---- Graphs ----

  @Test
  void aGraphMayForkAndJoin() {
    int wrong =
        wrong(
            gpu -> {
              long from = gpu.memory.allocate(512);
              long to = gpu.memory.allocate(512);
              try (Event filled = Event.ordering();
                  Event copied = Event.ordering();
                  CudaGraph graph = forkAndJoin(gpu, from, to, filled, copied)) {
                gpu.compute.launch(graph);
                gpu.compute.launch(graph);
                int read = gpu.firstInt(to);
                gpu.memory.free(from);
                gpu.memory.free(to);
                return read;
              }
            });
    assertEquals(0, wrong);
  }

  /** Fills on compute, copies on copy, and overwrites on compute when that is done. */
  private static CudaGraph forkAndJoin(
      EmulatedDriverFixture gpu, long from, long to, Event filled, Event copied) {
    try (GraphCapture capture = GraphCapture.begin(gpu.compute, "fork and join")) {
      gpu.compute.launch(gpu.fill(UPLOADED, from, 128));
      gpu.compute.record(filled);
      gpu.copy.await(filled);
      gpu.copy.copy(from, to, 512);
      gpu.copy.record(copied);
      gpu.compute.await(copied);
      gpu.compute.launch(gpu.fill(0, from, 128));
      return capture.end();
    }
  }

  @Test
  void aForkThatIsNotJoinedFailsTheCapture() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0");
        Event start = Event.ordering()) {
      long address = gpu.memory.allocate(512);
      try (GraphCapture capture = GraphCapture.begin(gpu.compute, "unjoined")) {
        gpu.compute.record(start);
        gpu.copy.await(start);
        gpu.copy.zero(address, 512);
        refused(CUresult.CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "forked from it", capture::end);
      }
      gpu.copy.synchronizeSync(); // is plain again
      gpu.memory.free(address);
    }
  }

  @Test
  void allocatingFreeingWaitingAndAskingSpoilACapture() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0")) {
      long address = gpu.memory.allocate(512);
      PinnedBuffer pinned = PinnedBuffer.allocate(4);
      spoils(gpu, () -> gpu.memory.allocate(512));
      spoils(gpu, () -> gpu.memory.free(address));
      spoils(gpu, () -> PinnedBuffer.allocate(4));
      spoils(gpu, gpu.compute::synchronizeSync);
      spoils(gpu, gpu.compute::isDone);
      spoils(gpu, () -> uploadUnpinned(gpu, address));
      pinned.close();
      gpu.compute.launch(gpu.fill(3, address, 1));
      assertEquals(3, gpu.firstInt(address));
      gpu.memory.free(address);
    }
  }

  private static void spoils(EmulatedDriverFixture gpu, Runnable call) {
    try (GraphCapture capture = GraphCapture.begin(gpu.compute, "spoilt")) {
      refused(
          CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the capture is invalid now", call::run);
      refused(
          CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
          "the capture was made invalid before",
          capture::end);
    }
  }

  private static void uploadUnpinned(EmulatedDriverFixture gpu, long address) {
    try (Memory unpinned = new Memory(4)) {
      gpu.compute.check(
          "cuMemcpyHtoDAsync",
          JCudaDriver.cuMemcpyHtoDAsync(
              DeviceAddress.of(address),
              new HostAddress(Pointer.nativeValue(unpinned)),
              4,
              gpu.compute.handle()));
    }
  }

  @Test
  void aCaptureDoesNotWaitForWorkOutsideIt() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0");
        Event outside = Event.ordering()) {
      gpu.copy.record(outside);
      try (GraphCapture capture = GraphCapture.begin(gpu.compute, "isolated")) {
        refused(
            CUresult.CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
            "outside its capture",
            () -> gpu.compute.await(outside));
      }
    }
  }
}
