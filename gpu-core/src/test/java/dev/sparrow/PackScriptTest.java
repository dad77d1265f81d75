package dev.sparrow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What pack.sh refuses. What it packs is checked by running it, which takes minutes: see README.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class PackScriptTest {
  private static final Path SCRIPTS =
      Path.of(System.getProperty("basedir", ""), "src", "main", "bundle").toAbsolutePath();

  @TempDir Path directory;

  private void refused(String cause, Map<String, String> changes) throws Exception {
    refused(SCRIPTS.resolve("pack.sh"), cause, changes);
  }

  private void refused(Path pack, String cause, Map<String, String> changes) throws Exception {
    Path out = directory.resolve("bundle.tar.xz");
    ProcessBuilder script = new ProcessBuilder("bash", pack.toString(), out.toString());
    Map<String, String> environment = new HashMap<>(script.environment());
    environment.put("CLASS_PATH", directory.resolve("absent.jar").toString());
    environment.put("JVM_FLAGS", "-ea");
    environment.put("JAVA_HOME", System.getProperty("java.home"));
    environment.putAll(changes);
    environment.values().removeIf(String::isEmpty);
    script.environment().clear();
    script.environment().putAll(environment);
    Process process = script.redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(1, process.waitFor(), output);
    assertTrue(output.contains(cause), output);
    assertEquals(1, output.lines().count(), output);
    assertFalse(Files.exists(out));
  }

  @Test
  void aRuntimeWithoutJlinkIsNoJdk() throws Exception {
    Path bin = Files.createDirectories(directory.resolve("jre/bin"));
    for (String program : new String[] {"java", "jar"}) {
      assertTrue(Files.createFile(bin.resolve(program)).toFile().setExecutable(true));
    }
    refused(
        "no " + bin.resolve("jlink") + "; expected a JDK",
        Map.of("JAVA_HOME", directory.resolve("jre").toString()));
  }

  @Test
  void withoutTheBuildsClassPathTheBuildIsNamed() throws Exception {
    refused("run ./mvnw -Pgpu-bundle", Map.of("CLASS_PATH", ""));
  }

  @Test
  void theLimitIsANumber() throws Exception {
    refused("LIMIT_MB: expected a whole number of megabytes, got 60M", Map.of("LIMIT_MB", "60M"));
  }

  /** The scripts in a tree of their own, in which nothing is built. */
  @Test
  void whatIsNotBuiltIsNamed() throws Exception {
    Path bundle = Files.createDirectories(directory.resolve("gpu-core/src/main/bundle"));
    for (String name : new String[] {"pack.sh", "common.sh"}) {
      Files.copy(SCRIPTS.resolve(name), bundle.resolve(name));
    }
    Path copy = bundle.resolve("pack.sh");
    refused(copy, "gpu-core is not built", Map.of());
    Files.createDirectories(directory.resolve("gpu-core/target/classes/dev/sparrow"));
    Files.createDirectories(directory.resolve("gpu-core/target/test-classes/dev/sparrow"));
    refused(copy, "kernels are not built", Map.of());
    Path kernels =
        Files.createDirectories(directory.resolve("kernels/target/classes/dev/sparrow/kernels"));
    Files.writeString(kernels.resolve("index.json"), "{\"built\": false, \"entries\": []}\n");
    refused(copy, "kernels were built without nvcc", Map.of());
  }

  /** All of the packing but its compression, in whose place 2 MB come out. */
  @Test
  void anArchiveAboveTheLimitIsRefusedWithItsLargestParts() throws Exception {
    Path kernels = SCRIPTS.resolve("../../../../kernels/target/classes/dev/sparrow/kernels");
    assumeTrue(
        Files.readString(kernels.resolve("index.json")).contains("\"built\": true"),
        "the kernels were built without nvcc");
    Path xz = Files.createDirectories(directory.resolve("path")).resolve("xz");
    Files.writeString(xz, "#!/bin/sh\ncat > /dev/null\nhead -c 2000000 /dev/zero\n");
    assertTrue(xz.toFile().setExecutable(true));
    refused(
        "the archive: expected at most 1 MB, got 2.0 MB; largest before compression: runtime",
        Map.of(
            "LIMIT_MB",
            "1",
            "PATH",
            xz.getParent() + File.pathSeparator + System.getenv("PATH"),
            "CLASS_PATH",
            classPathOfOthers()));
  }

  /** This JVM's, without the classes of this module. */
  private static String classPathOfOthers() {
    Path own = SCRIPTS.resolve("../../../target").normalize();
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
        .filter(entry -> !entry.isEmpty() && !Path.of(entry).startsWith(own))
        .collect(Collectors.joining(File.pathSeparator));
  }
}
