// Normalisation over the last dimension of (rows, columns): LayerNorm (Ba et al. 2016), RMSNorm (Zhang & Sennrich 2019).
//
//   LayerNorm  y = (x - mean)·rstd·weight + bias,  rstd = 1/sqrt(var + epsilon), biased variance
//   RMSNorm    y = x·rstd·weight,                  rstd = 1/sqrt(mean(x²) + epsilon)
// Backward, with n the normalised row and g = dy·weight:
//   LayerNorm  dx = rstd·(g - mean(g) - n·mean(g·n));   RMSNorm  dx = rstd·(g - n·mean(g·n))
//   dweight += Σ_rows dy·n,  dbias += Σ_rows dy
//
// x, y, dy, dx (rows, columns) and weight, bias (columns) are T, one of fp32 and bf16; mean and rstd (rows), dweight and
// dbias (columns) are fp32, and so is all arithmetic.
//
// Launch contract: one-dimensional grid and block, the block a multiple of 32; each block takes rows blockIdx.x,
// blockIdx.x + gridDim.x, ... Rows are read 16 bytes at a time where columns and addresses permit. The backward adds up
// a block's share of dweight and dbias in dynamic shared memory (columns floats for RMSNorm, 2·columns for LayerNorm), writes
// it to partials (gridDim.x, columns), for LayerNorm (gridDim.x, 2, columns), and add_partials_f32 of sums.cu adds the
// blocks in a fixed order: the same grid gives the same bits. LayerNorm: once for dweight with stride 2·columns, once for
// dbias with partials moved on by columns. Every block must have a row: gridDim.x <= rows.
#include "common/chunk.cuh"
#include "common/reduce.cuh"
#include "common/types.cuh"

namespace rownorm {

// Mean over the row of x, or of (x - center)².
template <typename T, int WIDTH, bool SQUARES>
__device__ __forceinline__ float rowMean(const T* x, int columns, float center, float* scratch) {
  float sum = 0;
  for (int c = threadIdx.x * WIDTH; c < columns; c += blockDim.x * WIDTH) {
    auto v = loadChunk<WIDTH>(x + c);
#pragma unroll
    for (int i = 0; i < WIDTH; i++) {
      float d = v.at[i] - center;
      sum += SQUARES ? d * d : d;
    }
  }
  return blockSum(sum, scratch) / columns;
}

template <typename T, int WIDTH, bool CENTERED>
__device__ __forceinline__ void forwardRows(const T* x, const T* weight, const T* bias, T* y, float* mean, float* rstd,
                                            long long rows, int columns, float epsilon, float* scratch) {
  for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* in = x + row * columns;
    float m = CENTERED ? rowMean<T, WIDTH, false>(in, columns, 0.0f, scratch) : 0.0f;
    float r = 1.0f / sqrtf(rowMean<T, WIDTH, true>(in, columns, m, scratch) + epsilon);
    if (threadIdx.x == 0) {
      if (CENTERED) mean[row] = m;
      rstd[row] = r;
    }
    for (int c = threadIdx.x * WIDTH; c < columns; c += blockDim.x * WIDTH) {
      auto v = loadChunk<WIDTH>(in + c), w = loadChunk<WIDTH>(weight + c);
      Chunk<WIDTH> b{};
      if (CENTERED && bias != nullptr) b = loadChunk<WIDTH>(bias + c);
#pragma unroll
      for (int i = 0; i < WIDTH; i++) v.at[i] = (v.at[i] - m) * r * w.at[i] + b.at[i];
      storeChunk(y + row * columns + c, v);
    }
  }
}

template <typename T, int WIDTH, bool CENTERED>
__device__ __forceinline__ void backwardRow(const T* dy, const T* x, const T* weight, float m, float r, bool accumulate,
                                            T* dx, float* sums, int columns, float* scratch) {
  float sumG = 0, sumGn = 0;
  for (int c = threadIdx.x * WIDTH; c < columns; c += blockDim.x * WIDTH) {
    auto d = loadChunk<WIDTH>(dy + c), v = loadChunk<WIDTH>(x + c), w = loadChunk<WIDTH>(weight + c);
#pragma unroll
    for (int i = 0; i < WIDTH; i++) {
      float n = (v.at[i] - m) * r, g = d.at[i] * w.at[i];
      sumG += g;
      sumGn += g * n;
      sums[c + i] += d.at[i] * n;
      if (CENTERED) sums[columns + c + i] += d.at[i];
    }
  }
  float meanG = CENTERED ? blockSum(sumG, scratch) / columns : 0.0f;
  float meanGn = blockSum(sumGn, scratch) / columns;
  for (int c = threadIdx.x * WIDTH; c < columns; c += blockDim.x * WIDTH) {
    auto d = loadChunk<WIDTH>(dy + c), v = loadChunk<WIDTH>(x + c), w = loadChunk<WIDTH>(weight + c);
    Chunk<WIDTH> out{};
    if (accumulate) out = loadChunk<WIDTH>(dx + c);
#pragma unroll
    for (int i = 0; i < WIDTH; i++) out.at[i] += r * (d.at[i] * w.at[i] - meanG - (v.at[i] - m) * r * meanGn);
    storeChunk(dx + c, out);
  }
}

// Each thread adds to and writes the sums of its own columns only, so that no barrier stands between.
template <typename T, int WIDTH, bool CENTERED>
__device__ __forceinline__ void backwardRows(const T* dy, const T* x, const T* weight, const float* mean,
                                             const float* rstd, int accumulate, T* dx, float* partials, long long rows,
                                             int columns, float* sums, float* scratch) {
  constexpr int KINDS = CENTERED ? 2 : 1;
  for (int c = threadIdx.x * WIDTH; c < columns; c += blockDim.x * WIDTH)
    for (int i = 0; i < WIDTH; i++)
      for (int kind = 0; kind < KINDS; kind++) sums[kind * columns + c + i] = 0.0f;
  for (long long row = blockIdx.x; row < rows; row += gridDim.x)
    backwardRow<T, WIDTH, CENTERED>(dy + row * columns, x + row * columns, weight, CENTERED ? mean[row] : 0.0f,
                                    rstd[row], accumulate != 0, dx + row * columns, sums, columns, scratch);
  float* mine = partials + (long long)blockIdx.x * KINDS * columns;
  for (int c = threadIdx.x * WIDTH; c < columns; c += blockDim.x * WIDTH)
    for (int i = 0; i < WIDTH; i++)
      for (int kind = 0; kind < KINDS; kind++) mine[kind * columns + c + i] = sums[kind * columns + c + i];
}

template <typename T, bool CENTERED>
__device__ __forceinline__ void forward(const T* x, const T* weight, const T* bias, T* y, float* mean, float* rstd,
                                        long long rows, int columns, float epsilon) {
  __shared__ float scratch[32];
  constexpr int WIDTH = Pack<T>::SIZE;
  bool wide = columns % WIDTH == 0 && isAligned16(x) && isAligned16(weight) && isAligned16(bias) && isAligned16(y);
  if (wide) forwardRows<T, WIDTH, CENTERED>(x, weight, bias, y, mean, rstd, rows, columns, epsilon, scratch);
  else forwardRows<T, 1, CENTERED>(x, weight, bias, y, mean, rstd, rows, columns, epsilon, scratch);
}

template <typename T, bool CENTERED>
__device__ __forceinline__ void backward(const T* dy, const T* x, const T* weight, const float* mean, const float* rstd,
                                         int accumulate, T* dx, float* partials, long long rows, int columns) {
  __shared__ float scratch[32];
  SPARROW_DYNAMIC_SHARED(float, sums);
  constexpr int WIDTH = Pack<T>::SIZE;
  bool wide = columns % WIDTH == 0 && isAligned16(dy) && isAligned16(x) && isAligned16(weight) && isAligned16(dx);
  if (wide)
    backwardRows<T, WIDTH, CENTERED>(dy, x, weight, mean, rstd, accumulate, dx, partials, rows, columns, sums, scratch);
  else
    backwardRows<T, 1, CENTERED>(dy, x, weight, mean, rstd, accumulate, dx, partials, rows, columns, sums, scratch);
}

}  // namespace rownorm

#define SPARROW_NORM_ENTRIES(suffix, T)                                                                              \
  /* bias may be null. */                                                                                            \
  extern "C" __global__ void layer_norm_##suffix(const T* x, const T* weight, const T* bias, T* y, float* mean,      \
                                                 float* rstd, long long rows, int columns, float epsilon) {          \
    rownorm::forward<T, true>(x, weight, bias, y, mean, rstd, rows, columns, epsilon);                                  \
  }                                                                                                                  \
  extern "C" __global__ void rms_norm_##suffix(const T* x, const T* weight, T* y, float* rstd, long long rows,       \
                                               int columns, float epsilon) {                                         \
    rownorm::forward<T, false>(x, weight, nullptr, y, nullptr, rstd, rows, columns, epsilon);                           \
  }                                                                                                                  \
  /* dx += where accumulate is not 0, else dx =. */                                                                  \
  extern "C" __global__ void layer_norm_backward_##suffix(const T* dy, const T* x, const T* weight,                  \
                                                          const float* mean, const float* rstd, int accumulate,      \
                                                          T* dx, float* partials, long long rows, int columns) {     \
    rownorm::backward<T, true>(dy, x, weight, mean, rstd, accumulate, dx, partials, rows, columns);                     \
  }                                                                                                                  \
  extern "C" __global__ void rms_norm_backward_##suffix(const T* dy, const T* x, const T* weight, const float* rstd, \
                                                        int accumulate, T* dx, float* partials, long long rows,      \
                                                        int columns) {                                               \
    rownorm::backward<T, false>(dy, x, weight, nullptr, rstd, accumulate, dx, partials, rows, columns);                 \
  }

SPARROW_NORM_ENTRIES(f32, float)
SPARROW_NORM_ENTRIES(bf16, bf16)
