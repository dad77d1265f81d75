package dev.sparrow.checkpoint;

import dev.sparrow.backend.PatternLayout;
import dev.sparrow.backend.UniformPattern;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The patterns of sparse weights in a model file: buffers {@code <weight>.columns} (liveGroups,
 * fanIn) and {@code <weight>.groups} (liveGroups), beside {@code <weight>.values} (liveRows, fanIn)
 * or, where a weight is kept whole under its pattern, {@code <weight>} itself.
 */
final class PatternTensors {
  private static final String VALUES = ".values";
  private static final String COLUMNS = ".columns";
  private static final String GROUPS = ".groups";

  private PatternTensors() {}

  static String values(String weight) {
    return weight + VALUES;
  }

  static String columns(String weight) {
    return weight + COLUMNS;
  }

  static String groups(String weight) {
    return weight + GROUPS;
  }

  /** Whether a tensor of this name tells of a pattern. */
  static boolean isOne(String tensor) {
    return tensor.endsWith(COLUMNS) || tensor.endsWith(GROUPS);
  }

  /** The weight whose columns a tensor of this name holds; null where it is none such. */
  static String weightOfColumns(String tensor) {
    return tensor.endsWith(COLUMNS)
        ? tensor.substring(0, tensor.length() - COLUMNS.length())
        : null;
  }

  /** The weight whose values a tensor of this name would be: those of its pattern, or all. */
  static String weightOfValues(String tensor) {
    return tensor.endsWith(VALUES)
        ? tensor.substring(0, tensor.length() - VALUES.length())
        : tensor;
  }

  /**
   * The weights that have a pattern among these tensors, in the order of the layouts.
   *
   * @throws IllegalArgumentException naming weight and values where a pattern is none
   */
  static Map<String, UniformPattern> patterns(
      List<HostTensor> tensors, Map<String, PatternLayout> layouts) {
    Map<String, HostTensor> byName = new HashMap<>();
    tensors.forEach(tensor -> byName.put(tensor.name(), tensor));
    Map<String, UniformPattern> patterns = new LinkedHashMap<>();
    layouts.forEach(
        (weight, layout) -> {
          HostTensor columns = byName.get(columns(weight));
          if (columns != null) {
            patterns.put(weight, pattern(weight, layout, columns, byName.get(groups(weight))));
          }
        });
    return patterns;
  }

  private static UniformPattern pattern(
      String weight, PatternLayout layout, HostTensor columns, HostTensor groups) {
    int fanIn = columns.shape().columns();
    try {
      return layout.pattern(
          fanIn, integers(groups, groups(weight)), integers(columns, columns(weight)));
    } catch (IllegalArgumentException broken) {
      throw new IllegalArgumentException(weight + ": saved " + broken.getMessage(), broken);
    }
  }

  private static int[] integers(HostTensor tensor, String name) {
    if (tensor != null && tensor.array() instanceof int[] values) {
      return values;
    }
    String got = tensor == null ? "none" : tensor.dtype().toString();
    throw new IllegalArgumentException(name + ": expected a tensor of integers, got " + got);
  }
}
