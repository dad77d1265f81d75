package dev.sparrow.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class BlasTest {
  @AfterEach
  void unsetProperty() {
    System.clearProperty(Blas.PROPERTY);
  }

  @Test
  void thisPlatformHasANativeLibrary() {
    assertTrue(Blas.get().isNative(), Blas.get().description());
  }

  @Test
  void productsAreRowMajor() {
    float[] a = {1, 2, 3, 4, 5, 6}; // (2, 3)
    float[] b = {1, 0, 0, 1, 1, 1}; // (3, 2)
    float[] transposedB = {1, 0, 1, 0, 1, 1}; // (2, 3)
    float[] transposedA = {1, 4, 2, 5, 3, 6}; // (3, 2)
    for (Blas blas : List.of(Blas.get(), Blas.java())) {
      float[] c = {1, 1, 1, 1};
      blas.sgemm(false, false, 2, 2, 3, 2, a, 0, 3, b, 0, 2, 10, c, 0, 2);
      assertArrayEquals(new float[] {18, 20, 30, 32}, c, blas.description());
      blas.sgemm(false, true, 2, 2, 3, 1, a, 0, 3, transposedB, 0, 3, 0, c, 0, 2);
      assertArrayEquals(new float[] {4, 5, 10, 11}, c, blas.description());
      blas.sgemm(true, false, 2, 2, 3, 1, transposedA, 0, 2, b, 0, 2, 0, c, 0, 2);
      assertArrayEquals(new float[] {4, 5, 10, 11}, c, blas.description());
    }
  }

  @Test
  void thePropertyChoosesJava() {
    System.setProperty(Blas.PROPERTY, "java");
    assertFalse(Blas.load().isNative());
    System.setProperty(Blas.PROPERTY, "fortran");
    String message = assertThrows(IllegalArgumentException.class, Blas::load).getMessage();
    assertEquals(
        "sparrow.blas: expected native or java, got fortran; leave it unset for native", message);
  }

  @Test
  void aLibraryThatCannotBeLoadedIsReplacedWithAWarning() throws Exception {
    String output = runWith("-Ddev.ludovic.netlib.blas.nativeLibPath=no-such-library.so");
    assertTrue(output.contains("native: false"), output);
    assertTrue(output.contains("WARN"), output);
    assertTrue(output.contains("10 to 50 times slower"), output);
    assertTrue(output.contains("Cure: put org.bytedeco:openblas"), output);
  }

  /** A fresh JVM: a process chooses its library once. */
  private static String runWith(String property) throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(
            System.getProperty("java.home") + "/bin/java",
            "--add-modules=jdk.incubator.vector",
            "-Dlog4j2.level=WARN",
            property,
            "-cp",
            System.getProperty("java.class.path"),
            Probe.class.getName());
    Process process = builder.redirectErrorStream(true).start();
    byte[] output = process.getInputStream().readAllBytes();
    process.waitFor();
    return new String(output, StandardCharsets.UTF_8);
  }

  /** Entry point of the fresh JVM. */
  static final class Probe {
    public static void main(String[] args) {
      System.out.println("native: " + Blas.get().isNative());
    }
  }
}
