// Barriers in shared memory that count arrivals and bytes, sm_90 (PTX ISA, mbarrier). Device only.
#pragma once

#include <cstdint>

#include "ptx/shared.cuh"

namespace ptx {

using Barrier = uint64_t;

// arrivals: how many complete a phase. By one thread, before barrierFence.
__device__ __forceinline__ void barrierInit(Barrier* barrier, unsigned arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(sharedAddress(barrier)), "r"(arrivals) : "memory");
}

// Shows initialised barriers to the copy engine; __syncthreads shows them to the block.
__device__ __forceinline__ void barrierFence() { asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory"); }

__device__ __forceinline__ void barrierArrive(Barrier* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(sharedAddress(barrier)) : "memory");
}

// Arrives and makes the phase wait for that many bytes from the copy engine too.
__device__ __forceinline__ void barrierArriveExpecting(Barrier* barrier, unsigned bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(sharedAddress(barrier)), "r"(bytes)
               : "memory");
}

// Returns once the phase of that parity is complete: phases alternate, the first has parity 0.
__device__ __forceinline__ void barrierWait(Barrier* barrier, unsigned parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again%=:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again%=;\n"
      "}\n" ::"r"(sharedAddress(barrier)),
      "r"(parity)
      : "memory");
}

}  // namespace ptx
