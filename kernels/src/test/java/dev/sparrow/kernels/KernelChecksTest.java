package dev.sparrow.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sparrow.kernels.Command.Outcome;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Builds the kernels' own checks for the host with g++ and runs them, family by family. */
class KernelChecksTest {
  @TestFactory
  Stream<DynamicTest> everyFamilyPassesItsChecksOnTheHost() throws Exception {
    if (!Command.compilesForTheHost()) {
      String reason = "g++ is not installed: the kernels' checks are skipped";
      // Of its own, so that the report counts a skipped test and gives the reason.
      return Stream.of(DynamicTest.dynamicTest("families", () -> assumeTrue(false, reason)));
    }
    Outcome build = Command.run("bash", "test/build.sh", "host", "target/checks");
    assertEquals(0, build.exitCode(), build.output());
    String program = Command.target("checks/kernel-checks-host").toString();
    Outcome list = Command.run(program, "--list");
    List<String> families =
        list.output().lines().map(name -> name.substring(0, name.indexOf('.'))).distinct().toList();
    assertFalse(families.isEmpty(), "no checks listed: " + list.output());
    return families.stream()
        .map(family -> DynamicTest.dynamicTest(family, () -> assertPasses(program, family)));
  }

  private static void assertPasses(String program, String family) throws Exception {
    Outcome outcome = Command.run(program, "--only", family + ".");
    assertEquals(0, outcome.exitCode(), outcome.output());
  }
}
