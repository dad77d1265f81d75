// Copies of boxes of tensors from global to shared memory by the copy engine, sm_90 (PTX ISA, cp.async.bulk.tensor).
// Device only.
#pragma once

#include "ptx/mbarrier.cuh"

// A tensor map as cuTensorMapEncodeTiled writes it; a kernel's parameter is const __grid_constant__.
struct alignas(64) TensorMap { unsigned long long opaque[16]; };

namespace ptx {

// Starts copying the box whose first element is (x, y, z), x innermost; its bytes complete on barrier. to is 1024-byte
// aligned where the map swizzles by 128 bytes. What lies outside the tensor arrives as 0 and counts.
__device__ __forceinline__ void copyBox(void* to, const TensorMap* map, int x, int y, int z, Barrier* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];\n" ::"r"(
          sharedAddress(to)),
      "l"(map), "r"(x), "r"(y), "r"(z), "r"(sharedAddress(barrier))
      : "memory");
}

__device__ __forceinline__ void prefetchMap(const TensorMap* map) {
  asm volatile("prefetch.tensormap [%0];\n" ::"l"(map) : "memory");
}

}  // namespace ptx
