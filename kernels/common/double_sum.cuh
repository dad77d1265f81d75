// Sums in double, in a fixed order.
#pragma once

#include "common/types.cuh"

// The sum over a one-dimensional block, in thread 0; 0 in the others. scratch: 32 doubles of shared memory, which must not
// be written again without a barrier.
__device__ __forceinline__ double blockSumDouble(double v, double* scratch) {
  for (int lanes = 16; lanes > 0; lanes /= 2) v += __shfl_xor_sync(0xffffffffu, v, lanes);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
  __syncthreads();
  double total = 0;
  if (threadIdx.x == 0)
    for (int warp = 0; warp < int(blockDim.x / 32); warp++) total += scratch[warp];
  return total;
}
