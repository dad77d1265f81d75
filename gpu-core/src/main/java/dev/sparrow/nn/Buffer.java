package dev.sparrow.nn;

import dev.sparrow.tensor.Tensor;

/**
 * A tensor that is saved with the model but not trained by the optimizer, such as a router's
 * balancing bias; the same on every rank.
 */
public record Buffer(String name, Tensor value) {}
