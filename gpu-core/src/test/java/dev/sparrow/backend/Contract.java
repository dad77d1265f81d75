package dev.sparrow.backend;

import dev.sparrow.backend.Comparison.Type;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;

/** What all contracts share: the backend that is tested, and how slow it is. */
abstract class Contract {
  /** A new backend; the test closes it. */
  protected abstract Backend open();

  /** Whether the backend is as slow as an emulated GPU, which skips what {@link Cost} says. */
  protected boolean slow() {
    return false;
  }

  /**
   * Whether tensors start at multiples of 128 bytes, as they do in models. Where they do not, a
   * backend may take other ways, so that one which has some is to be tested with both.
   */
  protected boolean aligned() {
    return false;
  }

  /** The backend under test beside the oracle. */
  final Comparison compare(long seed, String what) {
    return new Comparison(open(), aligned(), seed, what);
  }

  /** Ends the test as skipped where the backend is slow and this costs too much. */
  final void skipWhereSlow(Cost cost) {
    cost.assumeAffordable(slow());
  }

  /** A zeroed tensor in the backend's compute type. */
  static Tensor compute(Backend backend, int... dims) {
    return backend.allocate(Type.COMPUTE.of(backend), Shape.of(dims));
  }
}
