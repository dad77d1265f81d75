package dev.sparrow.spark.bench;

import java.util.ArrayList;
import java.util.List;

/**
 * One setting of the pruning benchmark.
 *
 * @param pattern where the non-zeros lie and how they came there
 * @param zeros percent of the weights of hidden layers
 */
record PruningCase(Pattern pattern, int zeros) implements SeedRuns.Case {
  /** Rows of the table. */
  enum Pattern {
    DENSE("dense"),
    UNSTRUCTURED("unstructured", "format=unstructured", "schedule=gradual"),
    UNIFORM("uniform", "format=uniform", "schedule=gradual"),
    BANK("bank-uniform, 128", "format=bank", "schedule=gradual"),
    GROUP_4("group-shared, 4", "format=group", "schedule=gradual"),
    STATIC("uniform, static", "format=uniform", "schedule=static");

    private final String label;
    private final List<String> settings;

    Pattern(String label, String... settings) {
      this.label = label;
      this.settings = List.of(settings);
    }

    String label() {
      return label;
    }
  }

  static final PruningCase DENSE = new PruningCase(Pattern.DENSE, 0);

  /** All rows and columns of the table, baselines before what is compared with them. */
  static List<PruningCase> all() {
    List<PruningCase> cases = new ArrayList<>(List.of(DENSE));
    for (int zeros : new int[] {50, 75, 90, 95}) {
      for (Pattern pattern : Pattern.values()) {
        boolean atHalf = pattern == Pattern.UNSTRUCTURED || pattern == Pattern.UNIFORM;
        if (pattern != Pattern.DENSE && (zeros > 50 || atHalf)) {
          cases.add(new PruningCase(pattern, zeros));
        }
      }
    }
    return cases;
  }

  /** Two that tell most. */
  static List<PruningCase> reduced() {
    return List.of(new PruningCase(Pattern.UNSTRUCTURED, 90), new PruningCase(Pattern.UNIFORM, 90));
  }

  @Override
  public String name() {
    return this.equals(DENSE) ? pattern.label : pattern.label + " " + zeros + "%";
  }

  /** What it sets beside the recipe. */
  List<String> settings() {
    if (this.equals(DENSE)) {
      return List.of("method.name=dense");
    }
    List<String> all = new ArrayList<>(List.of("method.name=uniform"));
    all.add("uniform.sparsity=" + zeros / 100.0);
    pattern.settings.forEach(setting -> all.add("uniform." + setting));
    return all;
  }
}
