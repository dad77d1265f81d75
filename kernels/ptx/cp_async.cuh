// Copies from global to shared memory that run beside the arithmetic, sm_80 and up (PTX ISA, cp.async).
// A thread's copies since its last commit form a group; cpAsyncWait<N> waits for all but its N newest groups. Other
// threads see the data after a barrier that follows the wait.
#pragma once

#include "common/types.cuh"
#ifdef SPARROW_EMULATE
#include "emulate/tensor_core.h"
#else
#include "ptx/shared.cuh"
#endif

namespace ptx {

// Copies 16 bytes; both addresses 16-byte aligned. If not valid, writes zeros and does not read.
__device__ __forceinline__ void cpAsync16(void* to, const void* from, bool valid = true) {
#ifdef SPARROW_EMULATE
  emulate::startCopy(to, from, valid);
#else
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(sharedAddress(to)),
               "l"(__cvta_generic_to_global(from)), "r"(valid ? 16 : 0)
               : "memory");
#endif
}

// Copies 8 bytes; both addresses 8-byte aligned. If not valid, writes zeros and does not read.
__device__ __forceinline__ void cpAsync8(void* to, const void* from, bool valid = true) {
#ifdef SPARROW_EMULATE
  if (reinterpret_cast<uintptr_t>(to) % 8 != 0 || (valid && reinterpret_cast<uintptr_t>(from) % 8 != 0))
    emulate::fail("cp.async: an address is not a multiple of 8 bytes");
  emulate::self->openCopies.push_back({to, valid ? from : nullptr, 8});
#else
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;\n" ::"r"(sharedAddress(to)),
               "l"(__cvta_generic_to_global(from)), "r"(valid ? 8 : 0)
               : "memory");
#endif
}

__device__ __forceinline__ void cpAsyncCommit() {
#ifdef SPARROW_EMULATE
  emulate::commitCopies();
#else
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}

template <int PENDING>
__device__ __forceinline__ void cpAsyncWait() {
#ifdef SPARROW_EMULATE
  emulate::waitCopies(PENDING);
#else
  asm volatile("cp.async.wait_group %0;\n" ::"n"(PENDING) : "memory");
#endif
}

}  // namespace ptx
