package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CudaDeviceTest {
  private static final String UUID = "GPU-00112233-4455-6677-8899-aabbccddeeff";
  private static final List<byte[]> PRESENT =
      List.of(
          HexFormat.of().parseHex("ffffffffffffffffffffffffffffffff"),
          HexFormat.of().parseHex("00112233445566778899aabbccddeeff"));

  /** In a JVM of its own, because one that has loaded the emulated driver is not without. */
  @Test
  void withoutADriverOpeningSaysWhatWasAskedWhatIsMissingAndTheCure() throws Exception {
    assumeFalse(GpuPresence.realDriver(), "this machine has an NVIDIA driver");
    StringBuilder expected = new StringBuilder();
    for (String address : ASKED) {
      expected
          .append("GPU address " + address)
          .append(": no NVIDIA driver here (libcuda.so.1 not found); install the driver, give the")
          .append(" container the GPU, or choose the CPU with train.backend = cpu\n");
    }
    assertEquals(
        expected.toString(),
        GpuPresence.outputOfJvm(OpenWithoutDriver.class, Map.of("LD_LIBRARY_PATH", "")));
  }

  private static final String[] ASKED = {"0", UUID, "0"};

  /** Prints why each does not open. */
  static final class OpenWithoutDriver {
    private OpenWithoutDriver() {}

    public static void main(String[] none) {
      for (String address : ASKED) {
        System.out.println(
            assertThrows(CudaUnavailableException.class, () -> CudaDevice.open(address))
                .getMessage());
      }
    }
  }

  @Test
  void addressesAreOrdinalsOrUuids() {
    assertEquals(0, new GpuAddress("0").ordinalAmong(PRESENT));
    assertEquals(1, new GpuAddress("1").ordinalAmong(PRESENT));
    assertEquals(1, new GpuAddress(UUID).ordinalAmong(PRESENT));
    assertEquals(1, new GpuAddress("GPU-" + UUID.substring(4).toUpperCase()).ordinalAmong(PRESENT));
    assertEquals(UUID, GpuAddress.words(PRESENT.get(1)));
    for (String bad : new String[] {"", "-1", "gpu0", "GPU-12", "MIG-" + UUID, "0,1", "99999"}) {
      assertThrows(IllegalArgumentException.class, () -> new GpuAddress(bad), bad);
    }
  }

  @Test
  void anAbsentGpuIsRefusedWithThoseThatArePresent() {
    for (String absent : new String[] {"2", UUID.replace("00112233", "99999999")}) {
      String message =
          assertThrows(
                  CudaUnavailableException.class,
                  () -> new GpuAddress(absent).ordinalAmong(PRESENT))
              .getMessage();
      assertTrue(message.startsWith("GPU address " + absent + ": not among the 2 GPUs"), message);
      assertTrue(message.contains(UUID), message);
    }
  }

  @Test
  void devicesBelowAmpereAreRefused() {
    assertDoesNotThrow(() -> new ComputeCapability(8, 0).requireSupported("GPU address 0"));
    assertDoesNotThrow(() -> new ComputeCapability(12, 1).requireSupported("GPU address 0"));
    String message =
        assertThrows(
                CudaUnavailableException.class,
                () -> new ComputeCapability(7, 5).requireSupported("GPU address 0 (Tesla T4)"))
            .getMessage();
    assertEquals(
        "GPU address 0 (Tesla T4): expected compute capability 8.0 or later, got 7.5; use an Ampere"
            + " GPU or a later one, or the CPU with train.backend = cpu",
        message);
  }

  @Test
  void aContextBelongsToTheThreadThatOpenedIt() {
    assertDoesNotThrow(() -> CudaContext.requireOwner(Thread.currentThread()));
    Thread other = new Thread(() -> {}, "task 7");
    String message =
        assertThrows(IllegalStateException.class, () -> CudaContext.requireOwner(other))
            .getMessage();
    assertTrue(message.contains("expected thread task 7, which opened it"), message);
  }

  @Test
  void pinnedRangesAreChecked() {
    assertThrows(IllegalArgumentException.class, () -> PinnedBuffer.allocate(0));
    assertThrows(IllegalArgumentException.class, () -> PinnedBuffer.allocate(1L << 31));
    assertDoesNotThrow(() -> PinnedBuffer.requireRange(10, 6, 16));
    assertThrows(IllegalArgumentException.class, () -> PinnedBuffer.requireRange(10, 7, 16));
    assertThrows(IllegalArgumentException.class, () -> PinnedBuffer.requireRange(-1, 1, 16));
    assertThrows(
        IllegalArgumentException.class, () -> PinnedBuffer.requireRange(1, Long.MAX_VALUE, 16));
  }

  @Test
  void byteCountsReadAsWords() {
    assertEquals("0 B", Bytes.words(0));
    assertEquals("1023 B", Bytes.words(1023));
    assertEquals("1.5 KiB", Bytes.words(1536));
    assertEquals("139.8 GiB", Bytes.words(150_110_000_000L));
    assertEquals("2048.0 TiB", Bytes.words(1L << 51));
  }
}
