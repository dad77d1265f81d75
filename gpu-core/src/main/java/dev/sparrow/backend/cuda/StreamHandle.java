package dev.sparrow.backend.cuda;

import jcuda.driver.CUstream;

/** A stream's handle that tells its address, for libraries that JCuda does not bind. */
final class StreamHandle extends CUstream {
  long value() {
    return getNativePointer();
  }
}
