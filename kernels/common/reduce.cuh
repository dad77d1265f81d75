// Sums over a warp and a block, in a fixed order: the same inputs give the same bits.
#pragma once

#include "common/types.cuh"

// The sum over the warp, in every lane.
__device__ __forceinline__ float warpSum(float v) {
  for (int lanes = 16; lanes > 0; lanes /= 2) v += __shfl_xor_sync(0xffffffffu, v, lanes);
  return v;
}

__device__ __forceinline__ float warpMax(float v) {
  for (int lanes = 16; lanes > 0; lanes /= 2) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, lanes));
  return v;
}

// The sum over a one-dimensional block, in every thread. scratch: 32 floats of shared memory; two barriers, so that the
// next call may follow at once with the same scratch.
__device__ __forceinline__ float blockSum(float v, float* scratch) {
  v = warpSum(v);
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  if (lane == 0) scratch[warp] = v;
  __syncthreads();
  float total = warpSum(lane < warps ? scratch[lane] : 0.0f);
  __syncthreads();
  return total;
}
