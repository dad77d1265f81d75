package dev.sparrow.config;

import dev.sparrow.backend.Activation;
import java.util.List;

/**
 * Kind and sizes of the network. Keys {@code model.*}; conf/reference.conf tells each one's
 * meaning, unit and range, and which kinds read it.
 */
public record ModelShape(
    Kind kind,
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
    double initialDeviation,
    List<Integer> hiddenLayers,
    int patch) {
  /** What the network is, and so what it learns from. */
  public enum Kind {
    /** A decoder-only language model. */
    TRANSFORMER,
    /** Fully connected layers that classify images. */
    MLP,
    /** A vision transformer that classifies images. */
    VIT;

    public boolean classifiesImages() {
      return this != TRANSFORMER;
    }

    /** Whether it is made of attention and feed-forward blocks. */
    public boolean hasBlocks() {
      return this != MLP;
    }
  }

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
