package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import jcuda.driver.CUfunction;
import jcuda.driver.CUresult;
import org.junit.jupiter.api.Test;

class LaunchTest {
  private final Kernel kernel =
      new Kernel(
          new KernelEntry("adamw_f32", "optim.fatbin", "sm_80", 40, 1024, 0, 0, 0),
          new CUfunction(),
          232448);

  private static void refused(Launch launch) {
    assertThrows(IllegalArgumentException.class, launch::requireDimensions, launch::describe);
  }

  @Test
  void dimensionsWithinTheDevicesBoundsPass() {
    assertDoesNotThrow(() -> kernel.launch().grid(1).block(1).prepare());
    assertDoesNotThrow(() -> kernel.launch().grid(Integer.MAX_VALUE).block(1024).prepare());
    assertDoesNotThrow(() -> kernel.launch().grid(1, 65535, 65535).block(4, 4, 64).prepare());
    assertDoesNotThrow(() -> kernel.launch().grid(1).block(1).shared(47 << 10).prepare());
    assertDoesNotThrow(
        () -> kernel.launch().grid(1).block(1).shared(232448 - 1024).requireDimensions());
  }

  @Test
  void dimensionsOutsideAreRefusedBeforeTheDriverIsAsked() {
    refused(kernel.launch());
    refused(kernel.launch().grid(0).block(256));
    refused(kernel.launch().grid(1, 65536, 1).block(256));
    refused(kernel.launch().grid(1, 1, 65536).block(256));
    refused(kernel.launch().grid(1).block(1025));
    refused(kernel.launch().grid(1).block(32, 33, 1));
    refused(kernel.launch().grid(1).block(1, 1, 65));
    refused(kernel.launch().grid(1).block(1).shared(-1));
    refused(kernel.launch().grid(1).block(1).shared(232448 - 1023));
  }

  @Test
  void launchesOfAKernelShareItsArguments() {
    Launch one = kernel.launch();
    assertSame(one.arguments(), kernel.launch().arguments());
    one.arguments().int32(1).int32(2);
    assertEquals(0, one.arguments().count());
  }

  @Test
  void aFailedLaunchNamesKernelGridBlockAndSharedBytes() {
    Launch launch = kernel.launch().grid(64, 2, 1).block(256).shared(4096);
    CudaException e =
        assertThrows(
            CudaException.class,
            () ->
                Cuda.check("cuLaunchKernel", CUresult.CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, launch));
    assertEquals(
        "cuLaunchKernel failed with 701 CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: adamw_f32 grid (64, 2,"
            + " 1), block (256, 1, 1), shared 4096 bytes",
        e.getMessage());
    assertEquals("cuLaunchKernel", e.call());
    assertEquals(701, e.code());
  }

  @Test
  void anErrorAtSynchronisationNamesTheLastLaunchAsItWas() {
    LastLaunch last = new LastLaunch();
    assertEquals("nothing launched yet", last.describe());
    Launch launch = kernel.launch().grid(64).block(256);
    last.set("compute", launch);
    launch.grid(1).block(32);
    CudaException e =
        assertThrows(
            CudaException.class,
            () -> Cuda.check("cuStreamSynchronize", CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, last));
    assertEquals(
        "cuStreamSynchronize failed with 700 CUDA_ERROR_ILLEGAL_ADDRESS: last launch on compute:"
            + " adamw_f32 grid (64, 1, 1), block (256, 1, 1), shared 0 bytes",
        e.getMessage());
    last.setGraph("compute", "step");
    assertEquals("last launch on compute: step (graph)", last.describe());
  }

  @Test
  void successPasses() {
    assertDoesNotThrow(() -> Cuda.check("cuInit", CUresult.CUDA_SUCCESS));
    CudaException e = assertThrows(CudaException.class, () -> Cuda.check("cuMemFree", 1));
    assertEquals("cuMemFree failed with 1 CUDA_ERROR_INVALID_VALUE", e.getMessage());
  }
}
