package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.UniformPattern;

/** Tells what products cost. */
@FunctionalInterface
public interface ProductTimer {
  /**
   * @param pattern of the layer
   * @param matrices that the pattern's rows are, equal ones; more than one: of experts, among whom
   *     the batch is spread evenly
   * @param rows of the batch
   */
  ProductTimes time(UniformPattern pattern, int matrices, int rows);
}
