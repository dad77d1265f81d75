package dev.sparrow.train;

import dev.sparrow.model.Confusion;

/**
 * A model's loss over a source, all ranks together.
 *
 * @param loss mean over all targets in nats; NaN where there were none
 * @param targets predicted: tokens of a language model, samples of a classifier
 * @param confusion what a classifier predicted; null for a language model
 */
public record Evaluation(double loss, long targets, Confusion confusion) {
  /** {@code exp(loss)}: of a language model, the number of equally likely tokens as uncertain. */
  public double perplexity() {
    return Math.exp(loss);
  }

  /** Share of samples whose class a classifier told; NaN for a language model. */
  public double accuracy() {
    return confusion == null ? Double.NaN : confusion.accuracy();
  }
}
