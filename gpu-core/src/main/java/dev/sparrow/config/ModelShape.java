package dev.sparrow.config;

import dev.sparrow.backend.Activation;
import java.util.List;
import java.util.Locale;

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
    int patch,
    int depth) {
  /** What the network is, and so what it learns from. */
  public enum Kind {
    /** A decoder-only language model. */
    TRANSFORMER,
    /** Fully connected layers that classify images. */
    MLP,
    /** A vision transformer that classifies images. */
    VIT,
    /** A residual convolutional network that classifies images. */
    RESNET,
    /** VGG with batch normalisation, which classifies images. */
    VGG;

    public boolean classifiesImages() {
      return this != TRANSFORMER;
    }

    /** Whether it is made of attention and feed-forward blocks. */
    public boolean hasBlocks() {
      return this == TRANSFORMER || this == VIT;
    }

    public boolean isConvolutional() {
      return this == RESNET || this == VGG;
    }

    /** As the configuration names it. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
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
