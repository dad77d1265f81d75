package dev.sparrow.backend.cuda;

import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.Tensor;

/**
 * A kind of dense bf16 product, as far as the choice of an algorithm depends on it; operands' types
 * follow from the form.
 *
 * @param adds whether the product is added to a matrix, C itself or a residual
 * @param alignA bytes that A's address is a multiple of, as the three below; a power of two
 * @param alignC of C and of what is added
 * @param alignBias 0 without bias
 */
record CublasLtShape(
    Form form,
    int m,
    int n,
    int k,
    boolean adds,
    int alignA,
    int alignB,
    int alignC,
    int alignBias) {
  /** The heuristic asks for no more: cudaMalloc's own alignment. */
  private static final int LARGEST_ALIGNMENT = 256;

  static CublasLtShape of(GemmCall call) {
    return new CublasLtShape(
        call.form(),
        call.m(),
        call.n(),
        call.k(),
        addend(call) != null,
        alignment(call.a()),
        alignment(call.b()),
        Math.min(
            alignment(call.c()),
            addend(call) == null ? LARGEST_ALIGNMENT : alignment(addend(call))),
        call.bias() == null ? 0 : alignment(call.bias()));
  }

  /** What the product is added to: C, a residual, or null. */
  static Tensor addend(GemmCall call) {
    return call.accumulates() ? call.c() : call.residual();
  }

  private static int alignment(Tensor tensor) {
    long address = DeviceStorage.address(tensor);
    return (int) Math.min(LARGEST_ALIGNMENT, Long.lowestOneBit(address));
  }

  boolean hasBias() {
    return alignBias > 0;
  }

  /** Such as {@code nt m 4096, n 1024, k 1024, bias, +=, aligned to 256, 256, 256, 16 bytes}. */
  @Override
  public String toString() {
    return "%s m %d, n %d, k %d%s%s, aligned to %d, %d, %d%s bytes"
        .formatted(
            form.entry(),
            m,
            n,
            k,
            hasBias() ? ", bias" : "",
            adds ? ", +=" : "",
            alignA,
            alignB,
            alignC,
            hasBias() ? ", " + alignBias : "");
  }
}
