// The moves between tokens (T, width) and rows sorted by expert (P, width), P = T·k (Gale et al. 2022, §5).
//
// rowOf (T, k) is that of moe/sort.cu: the row of assignment a = t·k + j, -1 where it was dropped. Rows that belong to no
// assignment are left alone.
//   gather           y_p = x_t for p = rowOf_tj
//   scatter          out_t (+)= Σ_j weights_tj·y[rowOf_tj]
//   gather backward  dx_t (+)= Σ_j dy[rowOf_tj]
//   scatter backward dy_p = weights_tj·dout_t and dweights_tj = <y_p, dout_t> for p = rowOf_tj, or 0 where it was dropped
// Sums run over j in order, without those dropped; a token that keeps none gets 0 (or keeps what it has with accumulate).
//
// All go through the assignments in the order of the tokens: a token's k warps follow each other, so that its row, which
// each of them reads, comes from memory once and then from the caches. Rows in the experts' order are met once in any case.
//
// x, y, out and their gradients are T, one of fp32 and bf16; weights and dweights (T, k) are fp32, and so is all
// arithmetic: a bf16 sum is rounded once. Offsets into rows are 64 bits.
//
// Launch contract: one-dimensional grid and block, the block a multiple of 32; each warp takes assignments (or tokens) in
// strides of the grid's warps. Rows are moved 16 bytes at a time where width and addresses permit.
#include "common/reduce.cuh"
#include "common/types.cuh"

namespace moepermute {

// WIDTH neighbouring columns of a row: those of a 16-byte load, or one.
template <typename T, int WIDTH>
__device__ __forceinline__ void load(const T* p, float (&v)[WIDTH]) {
  if constexpr (WIDTH == 1) {
    v[0] = toFloat(*p);
  } else {
    Pack<T> pack = loadPack(p);
#pragma unroll
    for (int i = 0; i < WIDTH; i++) v[i] = toFloat(pack.at[i]);
  }
}

template <typename T, int WIDTH>
__device__ __forceinline__ void store(T* p, const float (&v)[WIDTH]) {
  if constexpr (WIDTH == 1) {
    *p = fromFloat<T>(v[0]);
  } else {
    Pack<T> pack;
#pragma unroll
    for (int i = 0; i < WIDTH; i++) pack.at[i] = fromFloat<T>(v[i]);
    storePack(p, pack);
  }
}

__device__ __forceinline__ long long warpOfGrid() {
  return ((long long)blockIdx.x * blockDim.x + threadIdx.x) / 32;
}

__device__ __forceinline__ long long warpsOfGrid() { return (long long)gridDim.x * (blockDim.x / 32); }

// Copies bits, so that every NaN survives.
template <typename T, int WIDTH>
__device__ __forceinline__ void gatherRows(const T* x, const int* rowOf, T* y, long long assignments, int k, int width) {
  for (long long a = warpOfGrid(); a < assignments; a += warpsOfGrid()) {
    int row = rowOf[a];
    if (row < 0) continue;
    const T* from = x + a / k * width;
    T* to = y + (long long)row * width;
#pragma unroll 4
    for (int c = threadIdx.x % 32 * WIDTH; c < width; c += 32 * WIDTH) {
      if constexpr (WIDTH == 1) to[c] = from[c];
      else storePack(to + c, loadPack(from + c));
    }
  }
}

// Columns c.. of Σ_j weight_j·y[row_j] for one token; weights null: all are 1. The first term is a plain product, so that
// a weight of 1 returns the row's bits, also -0.
template <typename T, int WIDTH>
__device__ __forceinline__ void combineColumns(const T* y, const int* rowOf, const float* weights, bool accumulate,
                                               T* out, int k, int width, int c) {
  float sum[WIDTH] = {};
  bool fresh = !accumulate;
  if (accumulate) load<T, WIDTH>(out + c, sum);
  for (int j = 0; j < k; j++) {
    int row = rowOf[j];
    if (row < 0) continue;
    float w = weights == nullptr ? 1.0f : weights[j], v[WIDTH];
    load<T, WIDTH>(y + (long long)row * width + c, v);
#pragma unroll
    for (int i = 0; i < WIDTH; i++) sum[i] = fresh ? w * v[i] : fmaf(w, v[i], sum[i]);
    fresh = false;
  }
  store<T, WIDTH>(out + c, sum);
}

template <typename T, int WIDTH>
__device__ __forceinline__ void combineTokens(const T* y, const int* rowOf, const float* weights, bool accumulate, T* out,
                                              long long tokens, int k, int width) {
  for (long long t = warpOfGrid(); t < tokens; t += warpsOfGrid())
    for (int c = threadIdx.x % 32 * WIDTH; c < width; c += 32 * WIDTH)
      combineColumns<T, WIDTH>(y, rowOf + t * k, weights == nullptr ? nullptr : weights + t * k, accumulate,
                               out + t * width, k, width, c);
}

// One row's dy, and its dweight in every lane.
template <typename T, int WIDTH>
__device__ __forceinline__ float scatterBackwardRow(const T* dout, const T* y, float weight, T* dy, int width) {
  float dot = 0;
#pragma unroll 2
  for (int c = threadIdx.x % 32 * WIDTH; c < width; c += 32 * WIDTH) {
    float d[WIDTH], v[WIDTH];
    load<T, WIDTH>(dout + c, d);
    load<T, WIDTH>(y + c, v);
#pragma unroll
    for (int i = 0; i < WIDTH; i++) {
      dot = fmaf(v[i], d[i], dot);
      d[i] *= weight;
    }
    store<T, WIDTH>(dy + c, d);
  }
  return warpSum(dot);
}

template <typename T, int WIDTH>
__device__ __forceinline__ void scatterBackwardRows(const T* dout, const T* y, const int* rowOf, const float* weights, T* dy,
                                                    float* dweights, long long assignments, int k, int width) {
  for (long long a = warpOfGrid(); a < assignments; a += warpsOfGrid()) {
    long long row = rowOf[a];
    float dweight = 0;
    if (row >= 0)
      dweight = scatterBackwardRow<T, WIDTH>(dout + a / k * width, y + row * width, weights[a], dy + row * width, width);
    if (threadIdx.x % 32 == 0) dweights[a] = dweight;
  }
}

template <typename T>
__device__ __forceinline__ void gather(const T* x, const int* rowOf, T* y, long long assignments, int k, int width) {
  constexpr int WIDTH = Pack<T>::SIZE;
  bool wide = width % WIDTH == 0 && isAligned16(x) && isAligned16(y);
  if (wide) gatherRows<T, WIDTH>(x, rowOf, y, assignments, k, width);
  else gatherRows<T, 1>(x, rowOf, y, assignments, k, width);
}

template <typename T>
__device__ __forceinline__ void combine(const T* y, const int* rowOf, const float* weights, int accumulate, T* out,
                                        long long tokens, int k, int width) {
  constexpr int WIDTH = Pack<T>::SIZE;
  bool wide = width % WIDTH == 0 && isAligned16(y) && isAligned16(out);
  if (wide) combineTokens<T, WIDTH>(y, rowOf, weights, accumulate != 0, out, tokens, k, width);
  else combineTokens<T, 1>(y, rowOf, weights, accumulate != 0, out, tokens, k, width);
}

template <typename T>
__device__ __forceinline__ void scatterBackward(const T* dout, const T* y, const int* rowOf, const float* weights, T* dy,
                                                float* dweights, long long assignments, int k, int width) {
  constexpr int WIDTH = Pack<T>::SIZE;
  bool wide = width % WIDTH == 0 && isAligned16(dout) && isAligned16(y) && isAligned16(dy);
  if (wide) scatterBackwardRows<T, WIDTH>(dout, y, rowOf, weights, dy, dweights, assignments, k, width);
  else scatterBackwardRows<T, 1>(dout, y, rowOf, weights, dy, dweights, assignments, k, width);
}

}  // namespace moepermute

#define SPARROW_PERMUTE_ENTRIES(suffix, T)                                                                             \
  extern "C" __global__ void moe_gather_##suffix(const T* x, const int* rowOf, T* y, long long assignments, int k,     \
                                                 int width) {                                                          \
    moepermute::gather<T>(x, rowOf, y, assignments, k, width);                                                         \
  }                                                                                                                    \
  extern "C" __global__ void moe_gather_backward_##suffix(const T* dy, const int* rowOf, int accumulate, T* dx,        \
                                                          long long tokens, int k, int width) {                        \
    moepermute::combine<T>(dy, rowOf, nullptr, accumulate, dx, tokens, k, width);                                      \
  }                                                                                                                    \
  extern "C" __global__ void moe_scatter_##suffix(const T* y, const int* rowOf, const float* weights, int accumulate,  \
                                                  T* out, long long tokens, int k, int width) {                        \
    moepermute::combine<T>(y, rowOf, weights, accumulate, out, tokens, k, width);                                      \
  }                                                                                                                    \
  extern "C" __global__ void moe_scatter_backward_##suffix(const T* dout, const T* y, const int* rowOf,                \
                                                           const float* weights, T* dy, float* dweights,               \
                                                           long long assignments, int k, int width) {                  \
    moepermute::scatterBackward<T>(dout, y, rowOf, weights, dy, dweights, assignments, k, width);                      \
  }

SPARROW_PERMUTE_ENTRIES(f32, float)
SPARROW_PERMUTE_ENTRIES(bf16, bf16)
