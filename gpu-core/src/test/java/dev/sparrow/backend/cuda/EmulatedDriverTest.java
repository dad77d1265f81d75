package dev.sparrow.backend.cuda;

import static dev.sparrow.backend.cuda.EmulatedDriverFixture.refused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import dev.sparrow.tensor.Shape;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the emulated driver refuses where a GPU would compute nonsense, or crash. */
class EmulatedDriverTest {
  private static final int INVALID_VALUE = CUresult.CUDA_ERROR_INVALID_VALUE;
  private static final int ILLEGAL_ADDRESS = CUresult.CUDA_ERROR_ILLEGAL_ADDRESS;
  private static final int LAUNCH_FAILED = CUresult.CUDA_ERROR_LAUNCH_FAILED;

  @BeforeEach
  void load() {
    GpuPresence.assumeEmulated();
  }

  // ---- Launches ----

  @Test
  void argumentsThatAreNotTheKernelsAreRefused() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0")) {
      Launch fill = gpu.fill(1, 512, 4);
      fill.arguments().int32(1).address(512).int32(4);
      refused(
          INVALID_VALUE,
          "fill_i32: argument 2: expected 8 bytes at offset 16, got 4 bytes at offset 16",
          () -> gpu.compute.launch(fill));
      fill.arguments().int32(1).address(512);
      refused(
          INVALID_VALUE,
          "fill_i32: argument 2: expected 8 bytes, got none; the kernel takes 3 arguments",
          () -> gpu.compute.launch(fill));
      fill.arguments().int32(1).address(512).int64(4).int64(5);
      refused(
          INVALID_VALUE,
          "fill_i32: argument 3: expected none, got one more",
          () -> gpu.compute.launch(fill));
      fill.arguments();
      refused(INVALID_VALUE, "fill_i32: argument 0", () -> gpu.compute.launch(fill));
    }
  }

  /** What follows stands where it would behind a long, so that no offset tells. */
  @Test
  void anIntWhereALongBelongsIsRefusedAlsoBeforeAPointer() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0")) {
      Launch dropout = gpu.kernels.kernel("dropout_f32").launch().grid(1).block(256);
      dropout.arguments().address(512).int32(4).float32(1).int64(1).int32(2).address(1024);
      refused(
          INVALID_VALUE,
          "dropout_f32: argument 4: expected 8 bytes at offset 24, got 4 bytes at offset 24",
          () -> gpu.compute.launch(dropout));
    }
  }

  @Test
  void aBlockLargerThanTheKernelsLaunchBoundsIsRefused() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0")) {
      Launch product = gpu.kernels.kernel("gemm_nt_bf16_64x64x32").launch().grid(1).block(256);
      product.arguments().struct(ByteBuffer.allocateDirect(GemmCall.STRUCT_BYTES));
      refused(
          INVALID_VALUE,
          "256 threads in a block, the kernel allows 128",
          () -> gpu.compute.launch(product));
    }
  }

  @Test
  void moreThan48KibOfDynamicSharedMemoryHaveToBeAskedFor() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0")) {
      Launch product = gpu.kernels.kernel("gemm_nt_bf16_128x128x32").launch();
      product.grid(1).block(256).shared(1 << 16);
      product.arguments().struct(ByteBuffer.allocateDirect(GemmCall.STRUCT_BYTES));
      refused(
          INVALID_VALUE,
          "65536 bytes of dynamic shared memory, cuFuncSetAttribute granted 49152",
          () ->
              Cuda.check(
                  "cuLaunchKernel",
                  JCudaDriver.cuLaunchKernel(
                      product.kernel().handle(),
                      1,
                      1,
                      1,
                      256,
                      1,
                      1,
                      1 << 16,
                      gpu.compute.handle(),
                      product.kernel().arguments().pointers(),
                      null)));
      gpu.compute.launch(product); // asks; a product of no rows does nothing
      gpu.compute.synchronizeSync();
    }
  }

  // ---- Memory ----

  @Test
  void asynchronousCopiesFromUnpinnedMemoryAreRefused() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0");
        Memory unpinned = new Memory(64)) {
      long address = gpu.memory.allocate(64);
      HostAddress from = new HostAddress(Pointer.nativeValue(unpinned));
      refused(
          INVALID_VALUE,
          "asynchronous copies use pinned host memory",
          () ->
              Cuda.check(
                  "cuMemcpyHtoDAsync",
                  JCudaDriver.cuMemcpyHtoDAsync(
                      DeviceAddress.of(address), from, 64, gpu.copy.handle())));
      gpu.memory.free(address);
    }
  }

  @Test
  void copiesStayInsideOneAllocation() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0");
        PinnedBuffer pinned = PinnedBuffer.allocate(1024)) {
      long address = gpu.memory.allocate(512);
      refused(
          INVALID_VALUE,
          "not inside one live allocation",
          () -> gpu.copy.upload(pinned, 0, address + 4, 512));
      refused(INVALID_VALUE, "not inside one live allocation", () -> gpu.copy.zero(address, 513));
      gpu.memory.free(address);
      refused(INVALID_VALUE, "which was freed", () -> gpu.copy.upload(pinned, 0, address, 4));
    }
  }

  @Test
  void exhaustedMemoryIsToldByTheAllocator() {
    long before = EmulatedDriver.memoryMib(1);
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0");
        CachingAllocator allocator = new CachingAllocator(gpu.memory)) {
      long small = allocator.allocate(256 << 10, "small", Shape.of(256, 1024));
      String message =
          assertThrows(
                  DeviceOutOfMemoryException.class,
                  () -> allocator.allocate(1 << 20, "large", Shape.of(1024, 1024)))
              .getMessage();
      assertTrue(message.contains("asked 1.0 MiB for large"), message);
      assertTrue(message.contains("free 768.0 KiB of 1.0 MiB"), message);
      allocator.free(small);
      allocator.free(allocator.allocate(1 << 20, "large", Shape.of(1024, 1024)));
    } finally {
      EmulatedDriver.memoryMib(before);
    }
  }

  @Test
  void freshMemoryIsNotZero() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0")) {
      long address = gpu.memory.allocate(512);
      assertEquals(0, address % 512);
      assertEquals(-1, gpu.firstInt(address));
      gpu.memory.free(address);
    }
  }

  @Test
  void aWritePastTheEndLosesTheContextUntilItIsOpenedAnew() {
    EmulatedDriverFixture gpu = new EmulatedDriverFixture("0");
    long address = gpu.memory.allocate(512);
    gpu.compute.launch(gpu.fill(1, address, 128));
    gpu.compute.synchronizeSync();
    gpu.compute.launch(gpu.fill(1, address, 129));
    refused(
        LAUNCH_FAILED,
        "512 bytes at 0x" + Long.toHexString(address) + ": written 0 bytes past its end",
        gpu.compute::synchronizeSync);
    assertTrue(EmulatedDriver.lastReport().contains("fill_i32 grid (1, 1, 1), block (128, 1, 1)"));
    refused(LAUNCH_FAILED, "", () -> gpu.memory.allocate(512));
    gpu.closeLost();
    try (EmulatedDriverFixture anew = new EmulatedDriverFixture("0")) {
      long fresh = anew.memory.allocate(512);
      anew.compute.launch(anew.fill(3, fresh, 128));
      assertEquals(3, anew.firstInt(fresh));
      anew.memory.free(fresh);
    }
  }

  @Test
  void aTouchFarOutsideIsAnIllegalAddress() {
    for (long past : new long[] {1 << 20, 0}) {
      EmulatedDriverFixture gpu = new EmulatedDriverFixture("0");
      long address = past == 0 ? 0 : gpu.memory.allocate(512);
      gpu.compute.launch(gpu.fill(1, address, 128 + past));
      refused(ILLEGAL_ADDRESS, "touched 0x", gpu.compute::synchronizeSync);
      gpu.closeLost();
    }
  }

  @Test
  void freeingWaitsForTheWorkThatUsesTheMemoryAndLaterWorkFails() {
    EmulatedDriverFixture gpu = new EmulatedDriverFixture("0");
    long address = gpu.memory.allocate(512);
    gpu.compute.launch(gpu.fill(1, address, 128));
    gpu.memory.free(address);
    assertTrue(gpu.compute.isDone());
    refused(INVALID_VALUE, "is not the start of a live allocation", () -> gpu.memory.free(address));
    gpu.compute.launch(gpu.fill(1, address, 128));
    refused(ILLEGAL_ADDRESS, "which was freed", gpu.compute::synchronizeSync);
    gpu.closeLost();
  }

  @Test
  void aPinnedBufferIsReadWhenTheCopyRunsAndStaysUntilThen() {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture("0")) {
      long address = gpu.memory.allocate(4);
      PinnedBuffer pinned = PinnedBuffer.allocate(4);
      pinned.buffer().putInt(0, 1);
      gpu.compute.upload(pinned, 0, address, 4);
      pinned.buffer().putInt(0, 2);
      assertEquals(2, gpu.firstInt(address), "rewritten before the copy was done");
      gpu.compute.upload(pinned, 0, address, 4);
      HostAddress start = new HostAddress(pinned.address());
      refused(INVALID_VALUE, "is still to be used: copy of 4 bytes", () -> Cuda.freePinned(start));
      gpu.compute.synchronizeSync();
      pinned.close();
      gpu.memory.free(address);
    }
  }

  // ---- Devices and contexts ----

  @Test
  void devicesAreToldApart() {
    CudaDevice zero = CudaDevice.open("0");
    CudaDevice one = CudaDevice.open("1");
    assertNotEquals(zero.uuid(), one.uuid());
    assertEquals(one.uuid(), CudaDevice.open(one.uuid()).uuid());
    assertEquals("Emulated GPU (sm_80, 4 multiprocessors, 4.0 GiB)", zero.toString());
  }

  @Test
  void withoutAGpuOpeningSaysSo() throws Exception {
    String output =
        GpuPresence.outputOfJvm(OpenWithoutGpu.class, Map.of("SPARROW_EMULATED_GPUS", "0"));
    assertEquals(
        "GPU address 0: the driver sees no GPU; check nvidia-smi, CUDA_VISIBLE_DEVICES and the"
            + " container's GPU request\n",
        output);
  }

  /** Prints why GPU 0 does not open. */
  static final class OpenWithoutGpu {
    private OpenWithoutGpu() {}

    public static void main(String[] none) {
      EmulatedDriver.load();
      System.out.println(
          assertThrows(CudaUnavailableException.class, () -> CudaDevice.open("0")).getMessage());
    }
  }

  @Test
  void whatBelongsToAnotherContextIsRefused() {
    try (EmulatedDriverFixture zero = new EmulatedDriverFixture("0")) {
      Launch fill = zero.fill(1, 512, 4);
      try (EmulatedDriverFixture one = new EmulatedDriverFixture("1")) {
        int invalidHandle = CUresult.CUDA_ERROR_INVALID_HANDLE;
        refused(
            invalidHandle,
            "the function belongs to another context",
            () -> one.compute.launch(fill));
        refused(
            invalidHandle,
            "the stream belongs to another context",
            () -> zero.compute.zero(512, 4));
      }
    }
  }

  @Test
  void aThreadWithoutAContextIsRefused() throws Exception {
    List<Integer> codes = new ArrayList<>();
    Thread other =
        new Thread(
            () -> {
              CudaDevice.open("0");
              codes.add(Cuda.tryAllocate(new DeviceAddress(), 512));
            });
    other.start();
    other.join();
    assertEquals(List.of(CUresult.CUDA_ERROR_INVALID_CONTEXT), codes);
  }

  @Test
  void threadsWorkOnDevicesOfTheirOwnAtATime() throws Exception {
    ExecutorService ranks = Executors.newFixedThreadPool(2);
    try {
      List<Future<?>> all = new ArrayList<>();
      for (int rank = 0; rank < 2; rank++) {
        int number = rank;
        all.add(ranks.submit(() -> fillOften(number)));
      }
      for (Future<?> one : all) {
        one.get();
      }
    } finally {
      ranks.shutdown();
    }
  }

  private static void fillOften(int rank) {
    try (EmulatedDriverFixture gpu = new EmulatedDriverFixture(Integer.toString(rank))) {
      for (int i = 0; i < 100; i++) {
        long address = gpu.memory.allocate(512);
        gpu.compute.launch(gpu.fill(1000 * rank + i, address, 128));
        assertEquals(1000 * rank + i, gpu.firstInt(address));
        gpu.memory.free(address);
      }
    }
  }
}
