package dev.sparrow.nn;

/**
 * Sizes and choices of one attention block.
 *
 * @param name dotted path: {@code blocks.3.attention}
 * @param layer number of the block, from 0: its place in a {@link KeyValueCache}
 * @param width columns of input and output
 * @param heads a divisor of width
 * @param context longest sequence, in tokens
 * @param causal whether a token sees those up to itself alone; else it sees its whole sequence
 * @param bias whether the linears have one
 * @param rotaryTheta base of the rotary angles; 0: positions are not rotated here
 * @param dropout of the attention probabilities, in [0, 1)
 * @param standardDeviation of the initial qkv weights
 * @param outputStandardDeviation of the initial output weights
 */
public record AttentionSpec(
    String name,
    int layer,
    int width,
    int heads,
    int context,
    boolean causal,
    boolean bias,
    double rotaryTheta,
    double dropout,
    double standardDeviation,
    double outputStandardDeviation) {
  public AttentionSpec {
    if (heads < 1 || width % heads != 0) {
      throw new IllegalArgumentException(
          name + ": expected heads to divide width " + width + ", got " + heads);
    }
    if (rotaryTheta != 0 && width / heads % 2 != 0) {
      throw new IllegalArgumentException(
          name
              + ": rotary positions turn pairs of columns; expected an even width / heads, got "
              + width / heads);
    }
  }

  /** Columns of one head. */
  public int headWidth() {
    return width / heads;
  }
}
