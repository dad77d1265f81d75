// The moves between tokens (T, width) and rows sorted by expert (P, width), P = T·k (Gale et al. 2022, §5).
//
// sorted (P) and offsets (E + 1) are those of moe/sort.cu: sorted[p] is the assignment a = t·k + j at row p, and
// kept = offsets[E] rows belong to an expert; it is read on the device. rows (P) is the inverse: the row of assignment a, -1
// where it was dropped.
//   invert           rows[sorted[p]] = p, or -1 for p >= kept
//   gather           y_p = x[sorted_p / k] for p < kept; the rows behind are left alone
//   scatter          out_t (+)= Σ_j weights_tj·y[rows_tj]
//   gather backward  dx_t (+)= Σ_j dy[rows_tj]
//   scatter backward dy_p = weights_a·dout_t and dweights_a = <y_p, dout_t> for p < kept and its a = t·k + j;
//                    dweights_a = 0 for a dropped assignment
// Sums run over j in order, without those dropped; a token that keeps none gets 0 (or keeps what it has with accumulate).
//
// x, y, out and their gradients are T, one of fp32 and bf16; weights and dweights (T, k) are fp32, and so is all
// arithmetic: a bf16 sum is rounded once. Offsets into rows are 64 bits.
//
// Launch contract: one-dimensional grid and block, the block a multiple of 32; each warp takes rows (or tokens) in strides
// of the grid's warps. Rows are moved 16 bytes at a time where width and addresses permit.
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
__device__ __forceinline__ void gatherRows(const T* x, const int* sorted, int kept, int k, T* y, int width) {
  for (long long p = warpOfGrid(); p < kept; p += warpsOfGrid()) {
    const T* from = x + (long long)(sorted[p] / k) * width;
    T* to = y + p * width;
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
__device__ __forceinline__ void combineColumns(const T* y, const int* rows, const float* weights, bool accumulate,
                                               T* out, int k, int width, int c) {
  float sum[WIDTH] = {};
  bool fresh = !accumulate;
  if (accumulate) load<T, WIDTH>(out + c, sum);
  for (int j = 0; j < k; j++) {
    int row = rows[j];
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
__device__ __forceinline__ void combineTokens(const T* y, const int* rows, const float* weights, bool accumulate, T* out,
                                              long long tokens, int k, int width) {
  for (long long t = warpOfGrid(); t < tokens; t += warpsOfGrid())
    for (int c = threadIdx.x % 32 * WIDTH; c < width; c += 32 * WIDTH)
      combineColumns<T, WIDTH>(y, rows + t * k, weights == nullptr ? nullptr : weights + t * k, accumulate,
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
__device__ __forceinline__ void scatterBackwardRows(const T* dout, const T* y, const int* sorted, int kept, int k,
                                                    const float* weights, T* dy, float* dweights, long long assignments,
                                                    int width) {
  for (long long p = warpOfGrid(); p < assignments; p += warpsOfGrid()) {
    int a = sorted[p];
    float dweight = 0;
    if (p < kept)
      dweight = scatterBackwardRow<T, WIDTH>(dout + (long long)(a / k) * width, y + p * width, weights[a],
                                             dy + p * width, width);
    if (threadIdx.x % 32 == 0) dweights[a] = dweight;
  }
}

template <typename T>
__device__ __forceinline__ void gather(const T* x, const int* sorted, const int* offsets, int expertCount, int k, T* y,
                                       int width) {
  constexpr int WIDTH = Pack<T>::SIZE;
  int kept = offsets[expertCount];
  bool wide = width % WIDTH == 0 && isAligned16(x) && isAligned16(y);
  if (wide) gatherRows<T, WIDTH>(x, sorted, kept, k, y, width);
  else gatherRows<T, 1>(x, sorted, kept, k, y, width);
}

template <typename T>
__device__ __forceinline__ void combine(const T* y, const int* rows, const float* weights, int accumulate, T* out,
                                        long long tokens, int k, int width) {
  constexpr int WIDTH = Pack<T>::SIZE;
  bool wide = width % WIDTH == 0 && isAligned16(y) && isAligned16(out);
  if (wide) combineTokens<T, WIDTH>(y, rows, weights, accumulate != 0, out, tokens, k, width);
  else combineTokens<T, 1>(y, rows, weights, accumulate != 0, out, tokens, k, width);
}

template <typename T>
__device__ __forceinline__ void scatterBackward(const T* dout, const T* y, const int* sorted, const int* offsets,
                                                int expertCount, int k, const float* weights, T* dy, float* dweights,
                                                long long assignments, int width) {
  constexpr int WIDTH = Pack<T>::SIZE;
  int kept = offsets[expertCount];
  bool wide = width % WIDTH == 0 && isAligned16(dout) && isAligned16(y) && isAligned16(dy);
  if (wide) scatterBackwardRows<T, WIDTH>(dout, y, sorted, kept, k, weights, dy, dweights, assignments, width);
  else scatterBackwardRows<T, 1>(dout, y, sorted, kept, k, weights, dy, dweights, assignments, width);
}

}  // namespace moepermute

extern "C" __global__ void moe_invert_i32(const int* sorted, const int* offsets, int expertCount, int* rows,
                                          long long assignments) {
  int kept = offsets[expertCount];
  long long stride = (long long)gridDim.x * blockDim.x;
  for (long long p = (long long)blockIdx.x * blockDim.x + threadIdx.x; p < assignments; p += stride)
    rows[sorted[p]] = p < kept ? int(p) : -1;
}

#define SPARROW_PERMUTE_ENTRIES(suffix, T)                                                                             \
  extern "C" __global__ void moe_gather_##suffix(const T* x, const int* sorted, const int* offsets, int expertCount,   \
                                                 int k, T* y, int width) {                                             \
    moepermute::gather<T>(x, sorted, offsets, expertCount, k, y, width);                                               \
  }                                                                                                                    \
  extern "C" __global__ void moe_gather_backward_##suffix(const T* dy, const int* rows, int accumulate, T* dx,         \
                                                          long long tokens, int k, int width) {                        \
    moepermute::combine<T>(dy, rows, nullptr, accumulate, dx, tokens, k, width);                                       \
  }                                                                                                                    \
  extern "C" __global__ void moe_scatter_##suffix(const T* y, const int* rows, const float* weights, int accumulate,   \
                                                  T* out, long long tokens, int k, int width) {                        \
    moepermute::combine<T>(y, rows, weights, accumulate, out, tokens, k, width);                                       \
  }                                                                                                                    \
  extern "C" __global__ void moe_scatter_backward_##suffix(const T* dout, const T* y, const int* sorted,               \
                                                           const int* offsets, int expertCount, int k,                 \
                                                           const float* weights, T* dy, float* dweights,               \
                                                           long long assignments, int width) {                         \
    moepermute::scatterBackward<T>(dout, y, sorted, offsets, expertCount, k, weights, dy, dweights, assignments,       \
                                   width);                                                                             \
  }

SPARROW_PERMUTE_ENTRIES(f32, float)
SPARROW_PERMUTE_ENTRIES(bf16, bf16)
