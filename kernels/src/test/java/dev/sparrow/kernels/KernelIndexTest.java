package dev.sparrow.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The index in the jar against the sources. */
class KernelIndexTest {
  /** An entry, or one that a macro makes for each suffix it is called with. */
  private static final Pattern ENTRY =
      Pattern.compile("extern \"C\" __global__ void(?: __launch_bounds__\\([^)]*\\))? (\\w+)(##)?");

  private static final Pattern HOPPER_ONLY = Pattern.compile("(?m)^// sparrow: sm_90a only");

  @Test
  void everyEntryOfTheSourcesIsInTheIndexForEachArchitecture() throws IOException {
    JsonNode entries = builtEntries();
    for (Path source : sources()) {
      String text = Files.readString(source);
      Set<String> arches =
          HOPPER_ONLY.matcher(text).find() ? Set.of("sm_90a") : Set.of("sm_80", "sm_90a");
      String file = source.toString().replace('/', '_').replaceAll("\\.cu$", ".fatbin");
      for (String arch : arches) {
        Set<String> found = new TreeSet<>();
        entries.forEach(
            e -> {
              if (e.path("file").asText().equals(file) && e.path("arch").asText().equals(arch))
                found.add(e.path("name").asText());
            });
        ENTRY
            .matcher(text)
            .results()
            .forEach(
                match ->
                    assertFalse(
                        found.stream()
                            .filter(
                                name ->
                                    match.group(2) == null
                                        ? name.equals(match.group(1))
                                        : name.startsWith(match.group(1)))
                            .toList()
                            .isEmpty(),
                        match.group(1) + " of " + source + " is not in the index for " + arch));
        assertFalse(found.isEmpty(), source + " has no entry for " + arch);
      }
      assertNotNull(KernelIndexTest.class.getResource(file), file + " is not in the jar");
    }
  }

  @Test
  void noEntrySpillsWithoutAReason() throws IOException {
    List<String> allowed = Files.readAllLines(Path.of("spills-allowed.txt"));
    for (JsonNode entry : builtEntries()) {
      int bytes =
          entry.path("spillStores").asInt()
              + entry.path("spillLoads").asInt()
              + entry.path("stackFrame").asInt();
      String key = entry.path("name").asText() + " " + entry.path("arch").asText() + " ";
      if (allowed.stream().noneMatch(line -> line.startsWith(key)))
        assertEquals(0, bytes, "spilled bytes and stack of " + key);
    }
  }

  private static JsonNode builtEntries() throws IOException {
    try (InputStream in = KernelIndexTest.class.getResourceAsStream("index.json")) {
      assertNotNull(in, "index.json is not in the jar");
      JsonNode index = new ObjectMapper().readTree(in);
      assumeTrue(index.path("built").asBoolean(), "nvcc was not found: no kernels were compiled");
      assertFalse(index.path("entries").isEmpty(), "the index has no entries");
      return index.path("entries");
    }
  }

  private static List<Path> sources() {
    return Stream.of("gemm", "moe", "nn", "optim")
        .map(Path::of)
        .filter(Files::isDirectory)
        .flatMap(KernelIndexTest::walk)
        .filter(path -> path.toString().endsWith(".cu"))
        .toList();
  }

  private static Stream<Path> walk(Path folder) {
    try {
      return Files.walk(folder);
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }
}
