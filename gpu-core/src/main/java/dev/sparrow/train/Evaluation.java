package dev.sparrow.train;

/**
 * A model's loss over a source, all ranks together.
 *
 * @param loss mean token loss in nats; NaN where there were no tokens
 * @param tokens predicted
 */
public record Evaluation(double loss, long tokens) {
  /** {@code exp(loss)}. */
  public double perplexity() {
    return Math.exp(loss);
  }
}
