package dev.sparrow.config;

import dev.sparrow.backend.Activation;

/**
 * Sizes of a decoder-only transformer. Keys {@code model.*}; conf/reference.conf tells each one's
 * meaning, unit and range.
 */
public record ModelShape(
    int layers,
    int heads,
    int width,
    int hidden,
    int context,
    Positions positions,
    double rotaryTheta,
    NormKind norm,
    double normEpsilon,
    Activation activation,
    boolean gated,
    boolean bias,
    boolean tiedHead,
    double dropout,
    double initialDeviation) {
  public enum Positions {
    LEARNED,
    ROTARY
  }

  public enum NormKind {
    LAYER,
    RMS
  }

  /** Columns inside the feed-forward block, the default resolved. */
  public int hiddenColumns() {
    if (hidden > 0) {
      return hidden;
    }
    return gated ? (width * 8 / 3 + 31) / 32 * 32 : 4 * width;
  }
}
