package dev.sparrow;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Which test classes need a GPU, real or emulated: those that name the classes by which all of them
 * get it. Read from the constants of the class files, so that no list of names can fall behind.
 */
final class GpuTestClasses {
  private static final List<String> OPENERS =
      List.of("dev/sparrow/backend/cuda/TestGpu", "dev/sparrow/backend/cuda/GpuPresence");
  private static final String SUFFIX = "Test.class";

  private GpuTestClasses() {}

  /**
   * @param folder of compiled tests
   * @return names of top-level classes, sorted
   */
  static List<String> in(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .filter(file -> file.getFileName().toString().endsWith(SUFFIX))
          .filter(file -> !file.getFileName().toString().contains("$"))
          .filter(GpuTestClasses::needsGpu)
          .map(file -> name(folder.relativize(file)))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String name(Path file) {
    String path = file.toString();
    return path.substring(0, path.length() - ".class".length()).replace('/', '.');
  }

  /** The class or one nested in it. */
  private static boolean needsGpu(Path file) {
    String simpleName = file.getFileName().toString().replace(".class", "");
    try (Stream<Path> beside = Files.list(file.getParent())) {
      return beside
          .filter(other -> isPartOf(other.getFileName().toString(), simpleName))
          .map(GpuTestClasses::constants)
          .anyMatch(text -> OPENERS.stream().anyMatch(text::contains));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean isPartOf(String fileName, String simpleName) {
    return fileName.equals(simpleName + ".class")
        || fileName.startsWith(simpleName + "$") && fileName.endsWith(".class");
  }

  /** All bytes as text: names are ASCII. */
  private static String constants(Path file) {
    try {
      return Files.readString(file, StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
