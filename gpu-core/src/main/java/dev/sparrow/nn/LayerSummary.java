package dev.sparrow.nn;

/**
 * One line of {@code inspect}.
 *
 * @param name dotted path in the model
 * @param kind what it is, with its sizes: {@code Linear 384 -> 1536}
 * @param parameters all trained elements
 * @param activeParameters those that one token meets and that may differ from zero: k of E experts
 * @param forwardFlopsPerToken multiply and add counted as two; backward is twice that
 */
public record LayerSummary(
    String name, String kind, long parameters, long activeParameters, double forwardFlopsPerToken) {

  /** The same, said otherwise. */
  public LayerSummary withKind(String other) {
    return new LayerSummary(name, other, parameters, activeParameters, forwardFlopsPerToken);
  }

  /** Collects rows. */
  @FunctionalInterface
  public interface Sink {
    void row(LayerSummary row);
  }
}
