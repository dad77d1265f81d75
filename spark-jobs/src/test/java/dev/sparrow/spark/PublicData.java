package dev.sparrow.spark;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** Public data sets that are too large to stand beside the tests. */
final class PublicData {
  private static final String FOLDER = "sparrow.data";

  private PublicData() {}

  /** A folder of {@code -Dsparrow.data=...}; a test that needs it is skipped where it is absent. */
  static Path folder(String name) {
    String root = System.getProperty(FOLDER);
    assumeTrue(
        root != null, "no public data: run the tests with -D" + FOLDER + "=FOLDER to have it");
    Path folder = Path.of(root, name);
    assumeTrue(Files.isDirectory(folder), folder + " is not there");
    return folder;
  }
}
