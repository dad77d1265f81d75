// The start of a read into the second-level cache (PTX ISA, prefetch); emulated, nothing.
#pragma once

#include "common/types.cuh"

namespace ptx {

__device__ __forceinline__ void prefetch([[maybe_unused]] const void* global) {
#ifndef SPARROW_EMULATE
  asm volatile("prefetch.global.L2 [%0];\n" ::"l"(__cvta_generic_to_global(global)));
#endif
}

}  // namespace ptx
