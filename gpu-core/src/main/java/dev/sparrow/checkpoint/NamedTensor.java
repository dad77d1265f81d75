package dev.sparrow.checkpoint;

import dev.sparrow.tensor.Tensor;

/** A device tensor under the name that it has in a file. */
public record NamedTensor(String name, Tensor value) {}
