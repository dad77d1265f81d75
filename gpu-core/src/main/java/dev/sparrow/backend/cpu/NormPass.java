package dev.sparrow.backend.cpu;

/**
 * One short loop over the rows of a block; short for the reason that {@link ActivationPass} has.
 */
@FunctionalInterface
interface NormPass {
  void run(NormBlock block);
}
