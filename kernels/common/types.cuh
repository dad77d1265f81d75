// What a kernel needs to compile both for a GPU (nvcc) and for the host (g++ -std=c++17 with emulate/).
//
// Kernels include this first and use CUDA's own names. Only two things differ from plain CUDA: dynamic shared memory is
// declared by SPARROW_DYNAMIC_SHARED, and nothing is launched by <<<>>> outside common/launch.cuh.
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cstdint>
// Declares T* name, the block's dynamic shared memory, 1024-byte aligned.
#define SPARROW_DYNAMIC_SHARED(T, name) T* name = reinterpret_cast<T*>(sparrowDynamicShared)
extern __shared__ __align__(1024) unsigned char sparrowDynamicShared[];
#else
#define SPARROW_EMULATE 1
#include "emulate/simt.h"
#define SPARROW_DYNAMIC_SHARED(T, name) T* name = reinterpret_cast<T*>(::emulate::machine.dynamicSharedStart)
#endif

using bf16 = __nv_bfloat16;
using bf162 = __nv_bfloat162;

__host__ __device__ __forceinline__ float toFloat(float v) { return v; }
__host__ __device__ __forceinline__ float toFloat(bf16 v) { return __bfloat162float(v); }

// fromFloat<T>(v): v rounded to nearest even where T is bf16.
template <typename T> __host__ __device__ __forceinline__ T fromFloat(float v);
template <> __host__ __device__ __forceinline__ float fromFloat<float>(float v) { return v; }
template <> __host__ __device__ __forceinline__ bf16 fromFloat<bf16>(float v) { return __float2bfloat16_rn(v); }

// 16 bytes of T, one load or store.
template <typename T>
struct alignas(16) Pack {
  static constexpr int SIZE = 16 / sizeof(T);
  T at[SIZE];
};

// sizeof(V) bytes in one load or store; p is aligned to as many. Emulated, another address ends the launch, as on a GPU.
template <typename V>
__device__ __forceinline__ void requireAligned([[maybe_unused]] const void* p) {
#ifdef SPARROW_EMULATE
  if (reinterpret_cast<uintptr_t>(p) % sizeof(V) != 0)
    emulate::fail("an access of " + std::to_string(sizeof(V)) + " bytes off its boundary");
#endif
}

template <typename V>
__device__ __forceinline__ V loadVector(const void* p) {
  requireAligned<V>(p);
  return *reinterpret_cast<const V*>(p);
}

template <typename V>
__device__ __forceinline__ void storeVector(void* p, const V& v) {
  requireAligned<V>(p);
  *reinterpret_cast<V*>(p) = v;
}

template <typename T>
__device__ __forceinline__ Pack<T> loadPack(const T* p) {
  uint4 bits = loadVector<uint4>(p);
  Pack<T> pack;
  memcpy(&pack, &bits, 16);
  return pack;
}

template <typename T>
__device__ __forceinline__ void storePack(T* p, const Pack<T>& pack) {
  uint4 bits;
  memcpy(&bits, &pack, 16);
  storeVector(p, bits);
}

// Two numbers rounded to neighbours, the first in the low half.
__device__ __forceinline__ unsigned packBf16(float low, float high) {
  bf162 pair = __floats2bfloat162_rn(low, high);
  unsigned bits;
  memcpy(&bits, &pair, 4);
  return bits;
}

// True when p may be read 16 bytes at a time.
__host__ __device__ __forceinline__ bool isAligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }
