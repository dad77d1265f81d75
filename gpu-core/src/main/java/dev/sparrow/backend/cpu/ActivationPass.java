package dev.sparrow.backend.cpu;

/**
 * One short loop over a block. A nonlinearity is several of them because HotSpot's C2 counts the
 * nodes of all that it inlines into one method (NodeCountInliningCutoff) and boxes every vector
 * past the limit, which some forty vector operations reach. Passes are called from one place, which
 * sees three or more of them and therefore compiles each on its own.
 */
@FunctionalInterface
interface ActivationPass {
  void run(ActivationBlock block);
}
