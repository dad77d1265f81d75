package dev.sparrow.sparsity;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Which layers are chosen: names that match one pattern and none of the exceptions. */
public final class LayerNames {
  private final String section;
  private final List<String> patterns;
  private final List<String> exceptions;
  private final Set<String> unused = new LinkedHashSet<>();
  private final List<String> seen = new ArrayList<>();

  /**
   * @param section of the settings, for messages
   * @param patterns names in which {@code *} stands for any characters
   */
  public LayerNames(String section, List<String> patterns, List<String> exceptions) {
    this.section = section;
    this.patterns = patterns;
    this.exceptions = exceptions;
    unused.addAll(patterns);
    unused.addAll(exceptions);
  }

  public boolean match(String name) {
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
  public void requireMatches() {
    if (!unused.isEmpty()) {
      throw new IllegalArgumentException(
          section
              + ".layers, "
              + section
              + ".except: expected patterns that match a layer, got "
              + String.join(", ", unused)
              + "; the model's layers are "
              + String.join(", ", seen));
    }
  }
}
