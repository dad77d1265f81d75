package dev.sparrow.train;

import dev.sparrow.nn.Parameter;

/** Sums the arena's gradients over the ranks while backward still runs. */
interface GradientReduction extends AutoCloseable {
  /** Whether {@link #ready} is of use to anybody. */
  boolean listens();

  /** The gradients of this parameter and of all after it in the arena are complete. */
  void ready(Parameter parameter);

  /** Returns when all gradients are sums; the time in it is the part that was not hidden. */
  void await();

  @Override
  void close();

  /** A single rank's: nothing to add. */
  GradientReduction NONE =
      new GradientReduction() {
        @Override
        public boolean listens() {
          return false;
        }

        @Override
        public void ready(Parameter parameter) {}

        @Override
        public void await() {}

        @Override
        public void close() {}
      };
}
