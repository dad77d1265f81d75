package dev.sparrow.spark.bench;

import dev.sparrow.train.Evaluation;
import dev.sparrow.train.TrainSummary;
import java.util.Locale;

/** What the low-rank benchmark trains, each by a recipe of its own. */
public enum CuttlefishTask {
  MLP,
  RESNET,
  VIT,
  GPT,
  /** For a GPU. */
  RESNET18;

  /** As the command line has it. */
  String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  Recipe recipe() {
    return Recipe.of("cuttlefish-" + word() + ".conf");
  }

  boolean readsText() {
    return this == GPT;
  }

  Quality quality() {
    return readsText() ? Quality.PERPLEXITY : Quality.ACCURACY;
  }

  /** By what a model is judged. */
  enum Quality {
    /** A share of images; differences in percentage points. */
    ACCURACY("accuracy", "points", 0.5),
    /** Differences in percent of the other's perplexity. */
    PERPLEXITY("perplexity", "%", 1);

    private final String word;
    private final String unit;
    private final double tolerance;

    Quality(String word, String unit, double tolerance) {
      this.word = word;
      this.unit = unit;
      this.tolerance = tolerance;
    }

    String word() {
      return word;
    }

    /** Of {@link #gain}. */
    String unit() {
      return unit;
    }

    /** What low rank may lose, in {@link #unit}. */
    double tolerance() {
      return tolerance;
    }

    double of(Evaluation evaluation) {
      return this == ACCURACY ? evaluation.accuracy() : evaluation.perplexity();
    }

    /** After the last step of training. */
    double of(TrainSummary summary) {
      return this == ACCURACY ? summary.confusion().accuracy() : Math.exp(summary.validationLoss());
    }

    /** How much better one is than another; negative: worse. In {@link #unit}. */
    double gain(double one, double other) {
      return 100 * (this == ACCURACY ? one - other : (other - one) / other);
    }

    String text(SeedMean mean) {
      return this == ACCURACY ? mean.percent() : mean.plain();
    }

    /** {@code 52.10%}, {@code 5.31}. */
    String text(double figure) {
      return this == ACCURACY
          ? String.format(Locale.ROOT, "%.2f%%", 100 * figure)
          : String.format(Locale.ROOT, "%.3f", figure);
    }
  }
}
