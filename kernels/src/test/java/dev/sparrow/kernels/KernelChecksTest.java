package dev.sparrow.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Builds the kernels' own checks for the host with g++ and runs them, family by family. */
class KernelChecksTest {
  private record Outcome(int exitCode, String output) {}

  @TestFactory
  Stream<DynamicTest> everyFamilyPassesItsChecksOnTheHost() throws Exception {
    if (!exists("g++")) {
      String reason = "g++ is not installed: the kernels' checks are skipped";
      // Of its own, so that the report counts a skipped test and gives the reason.
      return Stream.of(DynamicTest.dynamicTest("families", () -> assumeTrue(false, reason)));
    }
    Outcome build = run(List.of("bash", "test/build.sh", "host", "target/checks"));
    assertEquals(0, build.exitCode(), build.output());
    String program = new File("target/checks/kernel-checks-host").getAbsolutePath();
    Outcome list = run(List.of(program, "--list"));
    List<String> families =
        list.output().lines().map(name -> name.substring(0, name.indexOf('.'))).distinct().toList();
    assertFalse(families.isEmpty(), "no checks listed: " + list.output());
    return families.stream()
        .map(family -> DynamicTest.dynamicTest(family, () -> assertPasses(program, family)));
  }

  private static void assertPasses(String program, String family) throws Exception {
    Outcome outcome = run(List.of(program, "--only", family + "."));
    assertEquals(0, outcome.exitCode(), outcome.output());
  }

  private static boolean exists(String compiler) throws InterruptedException {
    try {
      return run(List.of(compiler, "--version")).exitCode() == 0;
    } catch (IOException notFound) {
      return false;
    }
  }

  private static Outcome run(List<String> command) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(new ArrayList<>(command)).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Outcome(process.waitFor(), output);
  }
}
