package dev.sparrow.nn;

/**
 * One line of {@code inspect}.
 *
 * @param name dotted path in the model
 * @param kind what it is, with its sizes: {@code Linear 384 -> 1536}
 * @param parameters all trained elements
 * @param activeParameters those that one token meets and that may differ from zero: k of E experts
 * @param forwardFlops of one token, or of one image, multiply and add counted as two; backward is
 *     twice that
 */
public record LayerSummary(
    String name, String kind, long parameters, long activeParameters, double forwardFlops) {

  /** The same part met by {@code rows} rows of each image. */
  public LayerSummary times(int rows) {
    return new LayerSummary(name, kind, parameters, activeParameters, rows * forwardFlops);
  }

  /** The same, said otherwise. */
  public LayerSummary withKind(String other) {
    return new LayerSummary(name, other, parameters, activeParameters, forwardFlops);
  }

  /** Collects rows. */
  @FunctionalInterface
  public interface Sink {
    void row(LayerSummary row);
  }
}
