package dev.sparrow.spark.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Finished runs of a long benchmark, a line of JSON each, so that it goes on where it was cut off.
 *
 * @param <T> a record that stands for a run
 */
final class RunLog<T> {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;
  private final Class<T> type;
  private final List<T> runs = new ArrayList<>();

  /**
   * Reads what is there; a last line that was cut off while it was written is dropped.
   *
   * @throws IllegalArgumentException naming a line before that is none of such a run
   */
  RunLog(Path file, Class<T> type) throws IOException {
    this.file = file;
    this.type = type;
    Files.createDirectories(file.toAbsolutePath().getParent());
    if (Files.exists(file)) {
      String text = Files.readString(file);
      String whole = text.substring(0, text.lastIndexOf('\n') + 1);
      whole.lines().forEach(line -> runs.add(parse(line)));
      if (whole.length() < text.length()) {
        Files.writeString(file, whole);
      }
    }
  }

  private T parse(String line) {
    try {
      return JSON.readValue(line, type);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(
          file + ": expected a finished run a line, got " + line + "; remove that line", e);
    }
  }

  List<T> runs() {
    return List.copyOf(runs);
  }

  void add(T run) {
    runs.add(run);
    try {
      Files.writeString(
          file,
          JSON.writeValueAsString(run) + "\n",
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": " + e.getMessage(), e);
    }
  }
}
