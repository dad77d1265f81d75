package dev.sparrow.sparsity.uniform;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Which layers are chosen: names that match one pattern and none of the exceptions. */
final class LayerNames {
  private final List<String> patterns;
  private final List<String> exceptions;
  private final Set<String> unused = new LinkedHashSet<>();
  private final List<String> seen = new ArrayList<>();

  /**
   * @param patterns names in which {@code *} stands for any characters
   */
  LayerNames(List<String> patterns, List<String> exceptions) {
    this.patterns = patterns;
    this.exceptions = exceptions;
    unused.addAll(patterns);
    unused.addAll(exceptions);
  }

  boolean match(String name) {
    seen.add(name);
    // All are tried, so that each is known to have matched or not.
    boolean chosen = anyMatches(patterns, name);
    boolean excepted = anyMatches(exceptions, name);
    return chosen && !excepted;
  }

  private boolean anyMatches(List<String> globs, String name) {
    boolean any = false;
    for (String glob : globs) {
      if (name.matches(("\\Q" + glob + "\\E").replace("*", "\\E.*\\Q"))) {
        unused.remove(glob);
        any = true;
      }
    }
    return any;
  }

  /**
   * Throws {@link IllegalArgumentException} where a pattern matched no layer, naming those there
   * are.
   */
  void requireMatches() {
    if (!unused.isEmpty()) {
      throw new IllegalArgumentException(
          "uniform.layers, uniform.except: expected patterns that match a layer, got "
              + String.join(", ", unused)
              + "; the model's layers are "
              + String.join(", ", seen));
    }
  }
}
