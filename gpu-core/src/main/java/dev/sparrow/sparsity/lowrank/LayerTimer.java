package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.ConvShape;
import dev.sparrow.sparsity.PairedTimer;

/** Tells what a layer's passes cost in both forms. */
@FunctionalInterface
public interface LayerTimer {
  /**
   * Of a layer.
   *
   * @param matrices of experts, among whom the batch is spread evenly, where stacked; else 1
   * @param rows of the batch
   * @param window of a convolution, over that batch; null of other layers
   * @param normalizes whether there is a batch normalisation between its factors
   */
  record Layer(
      int matrices,
      boolean stacked,
      int out,
      int in,
      int rows,
      ConvShape window,
      boolean normalizes) {}

  /** A forward and a backward pass: first whole, second by factors of this rank. */
  PairedTimer.Times time(Layer layer, int rank);
}
