package dev.sparrow.backend;

/**
 * Sizes of multi-head attention over equally long sequences.
 *
 * @param sequences sequences in the batch
 * @param length tokens of each
 * @param heads heads
 * @param headWidth columns of a head
 * @param causal whether a token sees those up to itself alone; else it sees its whole sequence
 */
public record AttentionShape(int sequences, int length, int heads, int headWidth, boolean causal) {
  public AttentionShape {
    if (sequences < 1 || length < 1 || heads < 1 || headWidth < 1) {
      throw new IllegalArgumentException(
          "attention: expected positive sizes, got sequences %d, length %d, heads %d, headWidth %d"
              .formatted(sequences, length, heads, headWidth));
    }
  }

  /** Of causal attention. */
  public AttentionShape(int sequences, int length, int heads, int headWidth) {
    this(sequences, length, heads, headWidth, true);
  }

  /** Of {@code op}, which knows no other attention. */
  public void requireCausal(String op) {
    if (!causal) {
      throw new IllegalArgumentException(op + ": expected causal attention, got " + this);
    }
  }

  /** Rows of the packed activations. */
  public int tokens() {
    return sequences * length;
  }

  /** Columns of the model. */
  public int width() {
    return heads * headWidth;
  }
}
