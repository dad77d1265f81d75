package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ElementwiseOps;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.tensor.Tensor;

/**
 * Inverted dropout of (tokens, width) activations (Srivastava et al. 2014). The mask is a function
 * of the run's seed, this use's name and the token's number in the run, so that it is never stored
 * and does not depend on how a batch is split over ranks and micro-batches.
 */
public final class Dropout {
  private final ElementwiseOps elementwise;
  private final double p;
  private final long stream;

  /**
   * @param name dotted path, unique in the model
   * @param p probability of dropping, in [0, 1)
   */
  public Dropout(Backend backend, String name, double p) {
    if (!(p >= 0 && p < 1)) {
      throw new IllegalArgumentException(name + ": expected dropout in [0, 1), got " + p);
    }
    this.elementwise = backend.elementwise();
    this.p = p;
    this.stream = RandomKey.streamOf(name);
  }

  /** Whether {@link #apply} would do anything to a training pass. */
  public boolean enabled() {
    return p > 0;
  }

  /** Whether {@link #apply} does anything to this pass. */
  boolean drops(Pass pass) {
    return p > 0 && pass.training();
  }

  /**
   * Masks and scales; the backward pass is the same call on the gradient.
   *
   * @param x (tokens, width)
   * @param out of equal size, may be x; may be null where dropout is not {@link #enabled}
   * @return out, or x itself where the pass drops nothing
   */
  public Tensor apply(Tensor x, Pass pass, Tensor out) {
    if (!drops(pass)) {
      return x;
    }
    elementwise.dropout(x, p, pass.draws(stream, x.columns()), out);
    return out;
  }
}
