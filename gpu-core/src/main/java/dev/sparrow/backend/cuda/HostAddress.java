package dev.sparrow.backend.cuda;

import jcuda.Pointer;

/** A pointer to native host memory by its address. Owns nothing. */
final class HostAddress extends Pointer {
  /** Null, until a driver call fills it. */
  HostAddress() {}

  HostAddress(long address) {
    super(address);
  }

  long value() {
    return getNativePointer() + getByteOffset();
  }
}
