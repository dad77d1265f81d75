package dev.sparrow.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigValue;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.DoublePredicate;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Typed reading of one section. A bad value is noted in the list of problems and its default is
 * used in its place, so that one run of the parser finds all problems.
 */
final class Section {
  private final String name;
  private final Config settings;
  private final Config defaults;
  private final List<String> problems;

  Section(String name, Config settings, Config defaults, List<String> problems) {
    this.name = name;
    this.settings = settings.getConfig(name);
    this.defaults = defaults.getConfig(name);
    this.problems = problems;
  }

  String string(String key) {
    return read(key, "a string", c -> c.getString(key));
  }

  boolean flag(String key) {
    return read(key, "true or false", c -> c.getBoolean(key));
  }

  int integer(String key, int min, int max) {
    return (int) wholeNumber(key, min, max);
  }

  int atLeast(String key, int min) {
    return integer(key, min, Integer.MAX_VALUE);
  }

  long wholeNumber(String key, long min, long max) {
    String expected =
        max == Integer.MAX_VALUE || max == Long.MAX_VALUE
            ? "a whole number >= " + min
            : "a whole number in " + min + ".." + max;
    if (min == Long.MIN_VALUE) {
      expected = "a whole number";
    }
    long value = read(key, expected, c -> exactLong(c, key));
    return value < min || value > max ? problem(key, expected, value, c -> c.getLong(key)) : value;
  }

  private static long exactLong(Config config, String key) {
    double asDouble = config.getDouble(key);
    long asLong = config.getLong(key);
    if (asDouble != asLong) {
      throw new ConfigException.BadValue(key, "not a whole number");
    }
    return asLong;
  }

  /** A real number for which {@code valid} holds; {@code expected} says so in words. */
  double real(String key, String expected, DoublePredicate valid) {
    double value = read(key, "a number " + expected, c -> c.getDouble(key));
    return valid.test(value)
        ? value
        : problem(key, "a number " + expected, value, c -> c.getDouble(key));
  }

  double positive(String key) {
    return real(key, "> 0", v -> v > 0);
  }

  double notNegative(String key) {
    return real(key, ">= 0", v -> v >= 0);
  }

  /** In [0, 1). */
  double share(String key) {
    return real(key, "in [0, 1)", v -> v >= 0 && v < 1);
  }

  /** One of a fixed list of words. */
  String word(String key, String... words) {
    String value = string(key).toLowerCase(Locale.ROOT);
    String expected = "one of " + String.join(", ", words);
    return Arrays.asList(words).contains(value)
        ? value
        : problem(key, expected, value, c -> c.getString(key));
  }

  /** One of an enum's constants, written in lower case with hyphens. */
  <E extends Enum<E>> E choice(String key, Class<E> type) {
    Map<String, E> words =
        Arrays.stream(type.getEnumConstants())
            .collect(
                Collectors.toMap(
                    e -> e.name().toLowerCase(Locale.ROOT).replace('_', '-'),
                    e -> e,
                    (a, b) -> a,
                    LinkedHashMap::new));
    return words.get(word(key, words.keySet().toArray(String[]::new)));
  }

  List<Integer> steps(String key) {
    List<Integer> values = read(key, "a list of whole numbers", c -> c.getIntList(key));
    boolean ascending =
        java.util.stream.IntStream.range(1, values.size())
            .allMatch(i -> values.get(i - 1) < values.get(i));
    return ascending && (values.isEmpty() || values.get(0) >= 1)
        ? List.copyOf(values)
        : problem(key, "ascending steps >= 1", values, c -> c.getIntList(key));
  }

  /** A list of whole numbers >= 1. */
  List<Integer> sizes(String key) {
    List<Integer> values = read(key, "a list of whole numbers", c -> c.getIntList(key));
    return values.stream().allMatch(v -> v >= 1)
        ? List.copyOf(values)
        : problem(key, "whole numbers >= 1", values, c -> c.getIntList(key));
  }

  List<String> strings(String key) {
    return List.copyOf(read(key, "a list of strings", c -> c.getStringList(key)));
  }

  /** Free keys with values as strings. */
  Map<String, String> options(String key) {
    Map<String, String> options = new LinkedHashMap<>();
    for (Map.Entry<String, ConfigValue> entry : settings.getConfig(key).root().entrySet()) {
      options.put(entry.getKey(), String.valueOf(entry.getValue().unwrapped()));
    }
    return Map.copyOf(options);
  }

  private <T> T read(String key, String expected, Function<Config, T> getter) {
    try {
      return getter.apply(settings);
    } catch (ConfigException e) {
      return problem(key, expected, settings.getValue(key).unwrapped(), getter);
    }
  }

  private <T> T problem(String key, String expected, Object got, Function<Config, T> getter) {
    problems.add(name + "." + key + ": expected " + expected + ", got " + got);
    return getter.apply(defaults);
  }
}
