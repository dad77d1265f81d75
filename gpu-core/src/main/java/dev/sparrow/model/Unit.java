package dev.sparrow.model;

import java.util.Locale;

/** What a model's loss is a mean over, and its speed is counted in. */
public enum Unit {
  TOKENS,
  SAMPLES;

  /** In the names of metrics: {@code tokens}, {@code tokens_per_second}. */
  public String plural() {
    return name().toLowerCase(Locale.ROOT);
  }
}
