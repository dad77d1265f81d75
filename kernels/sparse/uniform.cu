// Weights with the same number of non-zeros in every row: between their values and the whole matrix.
//
//   expand   w_r,c = value of (r, c) where the pattern has it; w is zero before
//   sample   values += w at the pattern's places
//   mask     w_i = 0 where bit i mod 32 of word i / 32 is not set, w as one vector of n elements
//
// values (live rows, fanIn), w (rows, columns), both of the entry's type. A group of groupRows rows shares
// columns (live groups, fanIn); liveGroups (live groups) are the groups' numbers, ascending.
//
// Launch contract: one-dimensional grid and block of any size.
#include "common/types.cuh"

namespace uniform {

// Calls body(number of the value, its place in w) for every non-zero.
template <typename Body>
__device__ __forceinline__ void forNonZeros(const int* indices, const int* liveGroups, long long liveRows, int fanIn,
                                            int groupRows, int columns, Body body) {
  long long n = liveRows * fanIn, threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads) {
    long long liveRow = i / fanIn, group = liveRow / groupRows;
    long long row = (long long)liveGroups[group] * groupRows + liveRow % groupRows;
    body(i, row * columns + indices[group * fanIn + i % fanIn]);
  }
}

template <typename T>
__device__ void expand(const T* values, const int* indices, const int* liveGroups, T* w, long long liveRows, int fanIn,
                       int groupRows, int columns) {
  forNonZeros(indices, liveGroups, liveRows, fanIn, groupRows, columns,
              [&](long long i, long long at) { w[at] = values[i]; });
}

}  // namespace uniform

extern "C" __global__ void uniform_expand_f32(const float* values, const int* indices, const int* liveGroups, float* w,
                                              long long liveRows, int fanIn, int groupRows, int columns) {
  uniform::expand(values, indices, liveGroups, w, liveRows, fanIn, groupRows, columns);
}

extern "C" __global__ void uniform_expand_bf16(const bf16* values, const int* indices, const int* liveGroups, bf16* w,
                                               long long liveRows, int fanIn, int groupRows, int columns) {
  uniform::expand(values, indices, liveGroups, w, liveRows, fanIn, groupRows, columns);
}

extern "C" __global__ void uniform_sample_f32(const float* w, const int* indices, const int* liveGroups, float* values,
                                              long long liveRows, int fanIn, int groupRows, int columns) {
  uniform::forNonZeros(indices, liveGroups, liveRows, fanIn, groupRows, columns,
                       [&](long long i, long long at) { values[i] += w[at]; });
}

extern "C" __global__ void uniform_mask_f32(const int* bits, float* w, long long n) {
  long long threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads)
    if ((bits[i / 32] >> (i % 32) & 1) == 0) w[i] = 0;
}
