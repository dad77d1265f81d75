package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Storage;
import dev.sparrow.tensor.Tensor;

/**
 * Elements in device memory. Holds an address, not the memory: who allocated the block at the
 * allocator frees it there.
 */
record DeviceStorage(DType dtype, long length, long address) implements Storage {
  DeviceStorage {
    if (length < 0) {
      throw new IllegalArgumentException("storage: expected length >= 0, got " + length);
    }
    if (address == DeviceMemory.EXHAUSTED) {
      throw new IllegalArgumentException("storage: expected a device address, got null");
    }
  }

  /** Bytes of all elements. */
  long bytes() {
    return Math.multiplyExact(length, (long) dtype.bytes());
  }

  /** Device address of a tensor's first element; throws for another backend's tensor. */
  static long address(Tensor tensor) {
    if (!(tensor.storage() instanceof DeviceStorage storage)) {
      throw new IllegalArgumentException(
          "tensor "
              + tensor
              + ": expected device storage, got "
              + tensor.storage().getClass().getSimpleName()
              + "; allocate it at the CUDA backend");
    }
    return storage.address + tensor.offset() * tensor.dtype().bytes();
  }
}
