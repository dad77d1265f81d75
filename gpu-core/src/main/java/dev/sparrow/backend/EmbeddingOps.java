package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Table look-ups, positions, and the mean of a sequence. */
public interface EmbeddingOps {
  /**
   * What a language model reads and what it is to predict: {@code inputs_bt = rows_bt}, {@code
   * targets_bt = rows_b(t+1)}; all I32.
   *
   * @param rows (sequences, length + 1)
   * @param inputs (sequences·length)
   * @param targets (sequences·length)
   */
  void splitTokens(Tensor rows, Tensor inputs, Tensor targets);

  /** {@code out_i = table[ids_i]}: ids I32 (n), table (vocabulary, width), out (n, width). */
  void forward(Tensor ids, Tensor table, Tensor out);

  /** {@code dtable[ids_i] += dout_i}, summed over i ascending. */
  void backward(Tensor ids, Tensor dout, Tensor dtable);

  /**
   * {@code x[b·length + t] += positions[start + t]}: x (sequences·length, width), positions
   * (context, width).
   */
  void addPositions(Tensor positions, int length, int start, Tensor x);

  /** {@code dpositions[start + t] += Σ_b dx[b·length + t]}. */
  void addPositionsBackward(Tensor dx, int length, int start, Tensor dpositions);

  /**
   * {@code out_b = (1/length)·Σ_t x[b·length + t]}, summed over t ascending: x (sequences·length,
   * width), out (sequences, width).
   */
  void mean(Tensor x, int length, Tensor out);

  /** {@code dx[b·length + t] = dout_b / length}. */
  void meanBackward(Tensor dout, int length, Tensor dx);

  /**
   * Rotates the query and key parts of packed qkv in place (Su et al. 2021, RoFormer; halves
   * convention of GPT-NeoX and Llama): for pair j of a head of width D at position p, the angle is
   * {@code p·theta^(-2j/D)} and element j turns with element j + D/2.
   *
   * @param qkv (sequences·length, 3·heads·headWidth)
   * @param start position of the first row of every sequence
   * @param inverse rotate back: the backward pass, applied to dqkv
   */
  void rotary(AttentionShape shape, double theta, int start, boolean inverse, Tensor qkv);
}
