package dev.sparrow.config;

import java.util.List;

/**
 * Automatic low-rank training. Keys {@code cuttlefish.*}; conf/reference.conf tells each one's
 * meaning, unit and range.
 */
public record Cuttlefish(
    Rule rule,
    double ratio,
    int switchStep,
    int every,
    double tolerance,
    double latest,
    List<String> layers,
    List<String> except,
    double minSpeedUp,
    Momentum momentum,
    double learningRateScale,
    boolean batchNorm) {
  /** When matrices give way to factors, and of which rank. */
  public enum Rule {
    /** When stable ranks have settled, at the rank that stands out of the noise. */
    AUTO,
    /** As Wang et al. 2023 say. */
    PAPER,
    /** Before the first step, at a share of full rank. */
    FIXED,
    /** After a number of steps, at a share of full rank (Wang et al. 2021, Pufferfish). */
    PUFFERFISH
  }

  /** What becomes of the optimizer's state. */
  public enum Momentum {
    /** It goes through the factors as a gradient does. */
    PROJECT,
    /** It starts from zero. */
    RESET
  }

  /** Whether factors are to learn as fast as their matrix did, each at a rate of its own. */
  public boolean matchesRates() {
    return learningRateScale == 0 && rule == Rule.AUTO;
  }

  /** Whether the singular values of a trained matrix tell its rank. */
  public boolean watches() {
    return rule == Rule.AUTO || rule == Rule.PAPER;
  }
}
