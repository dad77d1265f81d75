package dev.sparrow.spark.bench;

import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * What a benchmark trains, beside the settings in which its cases differ.
 *
 * @param name the file's, beside this class
 */
record Recipe(String name, String text) {
  static Recipe of(String name) {
    try (InputStream in = Recipe.class.getResourceAsStream(name)) {
      return new Recipe(name, new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(name + ": " + e.getMessage(), e);
    }
  }

  RunConfig with(List<String> settings) {
    return ConfigParser.parse(text, name, settings);
  }
}
