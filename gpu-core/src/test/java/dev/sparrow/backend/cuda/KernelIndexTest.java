package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelIndexTest {
  private static final ComputeCapability AMPERE = new ComputeCapability(8, 6);
  private static final ComputeCapability HOPPER = new ComputeCapability(9, 0);
  private static final ComputeCapability BLACKWELL = new ComputeCapability(10, 0);

  private static final String INDEX =
      "{\"built\": true, \"entries\": ["
          + entry("gemm_bf16_128x128", "sm_80", 128)
          + ","
          + entry("gemm_bf16_128x128", "sm_90a", 168)
          + ","
          + entry("gemm_tma_bf16", "sm_90a", 90)
          + ","
          + entry("adamw_f32", "sm_80", 40)
          + "]}";

  private static String entry(String name, String arch, int registers) {
    return String.format(
        "{\"name\": \"%s\", \"file\": \"gemm.fatbin\", \"arch\": \"%s\", \"registers\": %d,"
            + " \"sharedBytes\": 16, \"spillStores\": 0, \"spillLoads\": 0, \"stackFrame\": 0}",
        name, arch, registers);
  }

  private static KernelIndex read(String json) {
    return KernelIndex.read(new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)));
  }

  @Test
  void hopperGetsItsOwnCodeAndOthersTheBase() {
    KernelIndex index = read(INDEX);
    assertEquals("sm_90a", index.entry("gemm_bf16_128x128", HOPPER).arch());
    assertEquals(168, index.entry("gemm_bf16_128x128", HOPPER).registers());
    assertEquals("sm_80", index.entry("gemm_bf16_128x128", AMPERE).arch());
    assertEquals("sm_80", index.entry("gemm_bf16_128x128", BLACKWELL).arch());
    assertEquals("sm_80", index.entry("adamw_f32", HOPPER).arch());
    assertEquals(List.of("adamw_f32", "gemm_bf16_128x128", "gemm_tma_bf16"), index.names());
  }

  @Test
  void aHopperKernelIsRefusedElsewhere() {
    String message =
        assertThrows(
                CudaUnavailableException.class, () -> read(INDEX).entry("gemm_tma_bf16", AMPERE))
            .getMessage();
    assertEquals(
        "kernel gemm_tma_bf16: compiled for sm_90a, the device is sm_86; choose a kernel for sm_80",
        message);
  }

  @Test
  void anUnknownKernelNamesTheNearest() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> read(INDEX).entry("adamv_f32", HOPPER))
            .getMessage();
    assertEquals("kernel adamv_f32: not in the index; the nearest is adamw_f32", message);
    KernelIndex empty = read("{\"built\": true, \"entries\": []}");
    assertThrows(IllegalArgumentException.class, () -> empty.entry("x", HOPPER));
  }

  @Test
  void aBuildWithoutNvccSaysHowToGetKernels() {
    for (String json : new String[] {null, "{\"built\": false}", "{}", "not json"}) {
      String message =
          assertThrows(
                  CudaUnavailableException.class,
                  () -> {
                    if (json == null) {
                      KernelIndex.read(null);
                    } else {
                      read(json);
                    }
                  })
              .getMessage();
      assertTrue(message.startsWith("CUDA kernels: "), message);
      assertTrue(message.contains("nvcc on PATH or CUDA_HOME set"), message);
    }
  }

  @Test
  void entriesAreComplete() {
    String good = entry("a", "sm_80", 1);
    for (String bad :
        new String[] {
          good.replace("\"registers\"", "\"register\""),
          good.replace("\"a\"", "7"),
          good.replace("\"sharedBytes\": 16", "\"sharedBytes\": 1.5"),
          good.replace("\"registers\": 1", "\"registers\": -1"),
          good.replace("gemm.fatbin", "../gemm.fatbin"),
          good + "," + good,
        }) {
      assertThrows(
          IllegalArgumentException.class,
          () -> read("{\"built\": true, \"entries\": [" + bad + "]}"),
          bad);
    }
  }

  @Test
  void indexAndFatbinsComeFromTheClassPath(@TempDir Path folder) throws IOException {
    Path kernels = Files.createDirectories(folder.resolve("dev/sparrow/kernels"));
    Files.writeString(kernels.resolve("index.json"), INDEX);
    Files.write(kernels.resolve("gemm.fatbin"), new byte[] {1, 2, 3});
    URL[] path = {folder.toUri().toURL()};
    try (URLClassLoader loader = new URLClassLoader(path, null)) {
      KernelEntry entry = KernelLibrary.index(loader).entry("adamw_f32", AMPERE);
      assertArrayEquals(new byte[] {1, 2, 3}, KernelLibrary.fatbin(loader, entry));
    }
    Files.delete(kernels.resolve("gemm.fatbin"));
    try (URLClassLoader loader = new URLClassLoader(path, null)) {
      KernelEntry entry = KernelLibrary.index(loader).entry("adamw_f32", AMPERE);
      String message =
          assertThrows(CudaUnavailableException.class, () -> KernelLibrary.fatbin(loader, entry))
              .getMessage();
      assertTrue(message.contains("gemm.fatbin, which the class path does not hold"), message);
    }
  }
}
