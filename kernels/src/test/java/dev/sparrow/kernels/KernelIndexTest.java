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
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The index in the jar against the sources. */
class KernelIndexTest {
  /** An entry after preprocessing for the host, where CUDA's own words have gone. */
  private static final Pattern ENTRY = Pattern.compile("extern \"C\"\\s+void\\s+(\\w+)\\(");

  private static final Pattern HOPPER_ONLY = Pattern.compile("(?m)^// sparrow: sm_90a only");

  @Test
  void theIndexHoldsTheEntriesOfTheSourcesForEachArchitecture() throws Exception {
    JsonNode entries = builtEntries();
    for (Path source : sources()) {
      boolean hopperOnly = HOPPER_ONLY.matcher(Files.readString(source)).find();
      String file = source.toString().replace('/', '_').replaceAll("\\.cu$", ".fatbin");
      Set<String> expected = entriesOf(source);
      assertFalse(expected.isEmpty(), source + " has no entry");
      for (String arch : hopperOnly ? List.of("sm_90a") : List.of("sm_80", "sm_90a")) {
        Set<String> found = new TreeSet<>();
        for (JsonNode e : entries) {
          if (e.path("file").asText().equals(file) && e.path("arch").asText().equals(arch)) {
            found.add(e.path("name").asText());
          }
        }
        assertEquals(expected, found, source + " for " + arch);
      }
      assertNotNull(KernelIndexTest.class.getResource(file), file + " is not in the jar");
    }
  }

  /** Names that macros have put together are whole only after the preprocessor. */
  private static Set<String> entriesOf(Path source) throws IOException, InterruptedException {
    Process process;
    try {
      process =
          new ProcessBuilder("g++", "-x", "c++", "-std=c++17", "-E", "-P", "-I.", "" + source)
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
    } catch (IOException notFound) {
      assumeTrue(false, "g++ is not installed: the entries of the sources are not known");
      throw notFound;
    }
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), "g++ -E " + source);
    return ENTRY
        .matcher(text)
        .results()
        .map(match -> match.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
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
    return Stream.of("gemm", "moe", "nn", "optim", "sparse")
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
