package dev.sparrow.spark.bench;

import java.util.List;

/** In what form a task of the low-rank benchmark is trained: the rows of its tables. */
enum LowRankForm {
  FULL("full rank", "method.name=dense"),
  PAPER("paper's rule", "method.name=cuttlefish", "cuttlefish.rule=paper"),
  AUTO("automatic", "method.name=cuttlefish", "cuttlefish.rule=auto"),
  QUARTER("fixed, 1/4", "method.name=cuttlefish", "cuttlefish.rule=fixed", "cuttlefish.ratio=0.25"),
  EIGHTH("fixed, 1/8", "method.name=cuttlefish", "cuttlefish.rule=fixed", "cuttlefish.ratio=0.125");

  private final String label;
  private final List<String> settings;

  LowRankForm(String label, String... settings) {
    this.label = label;
    this.settings = List.of(settings);
  }

  String label() {
    return label;
  }

  /** What it sets beside the recipe. */
  List<String> settings() {
    return settings;
  }
}
