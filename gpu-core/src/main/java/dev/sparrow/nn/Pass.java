package dev.sparrow.nn;

import dev.sparrow.backend.Draws;
import dev.sparrow.backend.RandomKey;

/**
 * What a forward pass and its backward pass share.
 *
 * @param training false: no dropout, no jitter, and no backward pass follows
 * @param seed the run's seed, for dropout and jitter
 * @param firstToken number of the first row in the run's global token order: random draws follow
 *     the sample, not the rank or micro-batch that holds it
 * @param sequences sequences of this micro-batch
 * @param length tokens of each
 * @param lossScale factor of every row's loss: 1 / rows of the global batch. A head whose targets
 *     are fewer than the rows of its body takes 1 / targets, see {@link #withLossScale}
 */
public record Pass(
    boolean training, long seed, long firstToken, int sequences, int length, double lossScale) {

  /** A pass without backward, dropout or jitter. */
  public static Pass inference(int sequences, int length) {
    return new Pass(false, 0, 0, sequences, length, 0);
  }

  public int tokens() {
    return sequences * length;
  }

  /** The same pass over a batch that starts elsewhere in the run. */
  public Pass at(long token) {
    return new Pass(training, seed, token, sequences, length, lossScale);
  }

  /** The same pass with another weight of a row's loss. */
  public Pass withLossScale(double scale) {
    return new Pass(training, seed, firstToken, sequences, length, scale);
  }

  /**
   * Draws of one use of random numbers.
   *
   * @param stream unique in the model
   */
  public Draws draws(long stream, long perToken) {
    return new Draws(new RandomKey(seed, stream), firstToken, perToken);
  }
}
