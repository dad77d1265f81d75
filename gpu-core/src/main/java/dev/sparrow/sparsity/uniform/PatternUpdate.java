package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.UniformPattern;

/** A pattern that a weight is about to take; its own where the form alone may change. */
record PatternUpdate(SparsifiedWeight weight, UniformPattern next) {
  /** Whether anything is to be done for a weight that takes this form. */
  boolean changes(boolean sparsely) {
    return weight.isDense() || next != weight.pattern() || sparsely != weight.isSparse();
  }
}
