package dev.sparrow.config;

import java.util.List;

/**
 * Which training method. Keys {@code method.*}; conf/reference.conf tells each one's meaning, unit
 * and range.
 */
public record MethodChoice(String name) {
  private static final List<String> NAMES =
      List.of("dense", "moe", "uniform", "moe+uniform", "cuttlefish", "moe+cuttlefish");

  public MethodChoice {
    if (!NAMES.contains(name)) {
      throw new IllegalArgumentException(
          "method.name: expected one of " + String.join(", ", NAMES) + ", got " + name);
    }
  }

  /** All there are. */
  static String[] names() {
    return NAMES.toArray(String[]::new);
  }

  /** Whether feed-forward blocks are mixtures of experts. */
  public boolean mixesExperts() {
    return name.startsWith("moe");
  }

  /** Whether all matrices, those of experts too, are stored whole. */
  public boolean isDenseWithin() {
    return !isUniform() && !isCuttlefish();
  }

  /** Whether matrices are uniformly sparse. */
  public boolean isUniform() {
    return name.endsWith("uniform");
  }

  /** Whether matrices give way to factors. */
  public boolean isCuttlefish() {
    return name.endsWith("cuttlefish");
  }
}
