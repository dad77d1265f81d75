package dev.sparrow.spark.report;

import java.util.Comparator;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** Layers as readers count them: block 2 before block 10. */
public final class LayerOrder {
  /** Of names. */
  static final Comparator<String> BY_NUMBER = Comparator.comparing(LayerOrder::padded);

  private static final Pattern NUMBER = Pattern.compile("\\d+");
  private static final int DIGITS = 10; // of an int

  private LayerOrder() {}

  /** The same entries in the order of their names. */
  public static <V> SortedMap<String, V> sorted(Map<String, V> layers) {
    SortedMap<String, V> sorted = new TreeMap<>(BY_NUMBER);
    sorted.putAll(layers);
    return sorted;
  }

  private static String padded(String name) {
    return NUMBER
        .matcher(name)
        .replaceAll(
            number -> "0".repeat(Math.max(0, DIGITS - number.group().length())) + number.group());
  }
}
