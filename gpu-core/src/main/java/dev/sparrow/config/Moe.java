package dev.sparrow.config;

/**
 * Mixture-of-experts feed-forward blocks. Keys {@code moe.*}; conf/reference.conf tells each one's
 * meaning, unit and range.
 */
public record Moe(
    int experts,
    int topK,
    int expertHidden,
    int sharedHidden,
    Dispatch dispatch,
    double capacityFactor,
    double jitter,
    double normalization,
    double loadBalancingLoss,
    double zLoss,
    double biasBalancing,
    int every) {
  public enum Dispatch {
    DROPLESS,
    CAPACITY,
    PADDED
  }

  /** Columns inside each expert. */
  public int hidden(ModelShape model) {
    return expertHidden > 0 ? expertHidden : model.hiddenColumns();
  }
}
