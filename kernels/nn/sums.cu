// Sums in two stages and a fixed order: blocks write their share to partials, which a second launch adds up.
//
//   partial_sums_f32     partials_b = block b's share of Σ x       x (n) fp32, partials (blocks) double
//   sum_partials_f64     *sum = Σ partials
//   accumulate_sum_f64   *total += Σ partials
//   column_partials      partials_bc = block b's share of Σ_r dy_rc     dy (rows, columns) T, partials (blocks, columns) fp32
//   add_partials_f32     to_i += Σ_b partials_bi                        partials (blocks, stride), to (n) fp32
//
// The first and the third add up a micro-batch's losses, so that the host asks once a step; the last two make a bias
// gradient. add_partials also ends the parameters' gradients of norm.cu, and weight gradients whose depth was cut into
// parts (gemm/gemm.cuh). T is one of fp32 and bf16.
//
// Launch contract:
//   partial_sums             one-dimensional; as many blocks as partials, a multiple of 32 threads. 1e6 losses: 256 of 256
//   sum_, accumulate_sum     one block, a multiple of 32 threads; 256 do
//   column_partials          blocks of 256 threads, exactly; grid (ceil(columns / 256), blocks)
//   add_partials             blocks of 256 threads, exactly; grid ceil(n / 32)
// The bits depend on the number of partials and the size of blocks alone. Arrays are read 16 bytes at a time where
// addresses and columns permit.
#include "common/chunk.cuh"
#include "common/double_sum.cuh"
#include "common/types.cuh"

namespace sums {

constexpr int WARPS = 8;          // of a block of column_partials and add_partials
constexpr int COLUMNS = 32 * 8;   // of a block of column_partials

// The sum of all partials, in thread 0 of the only block.
__device__ __forceinline__ double blockTotal(const double* partials, int count, double* scratch) {
  double mine = 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x) mine += partials[i];
  return blockSumDouble(mine, scratch);
}

// A thread's eight columns: neighbours that come by packs, or 32 apart so that a warp's addresses are neighbours.
template <bool WIDE>
__device__ __forceinline__ int columnOf(int lane, int i) {
  return WIDE ? lane * 8 + i : lane + 32 * i;
}

// Σ over rows first, first + WARPS, .. below end of the thread's columns; left columns exist from here on.
template <typename T, bool WIDE>
__device__ __forceinline__ void sumRows(const T* dy, long long first, long long end, int columns, int left,
                                        float (&total)[8]) {
  int lane = threadIdx.x % 32;
  if (WIDE && lane * 8 >= left) return;
#pragma unroll 4
  for (long long row = first; row < end; row += WARPS) {
    const T* from = dy + row * columns;
    if constexpr (WIDE) {
      auto v = loadChunk<8>(from + lane * 8);
#pragma unroll
      for (int i = 0; i < 8; i++) total[i] += v.at[i];
    } else {
#pragma unroll
      for (int i = 0; i < 8; i++)
        if (lane + 32 * i < left) total[i] += toFloat(from[lane + 32 * i]);
    }
  }
}

// A block's rows are neighbours; its warps take them in turn, and their sums are added in order.
template <typename T, bool WIDE>
__device__ __forceinline__ void columnPartials(const T* dy, float* partials, long long rows, int columns,
                                               float (*shares)[COLUMNS]) {
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, column = blockIdx.x * COLUMNS, left = columns - column;
  long long first = rows * blockIdx.y / gridDim.y, end = rows * (blockIdx.y + 1) / gridDim.y;
  float total[8] = {};
  sumRows<T, WIDE>(dy + column, first + warp, end, columns, left, total);
#pragma unroll
  for (int i = 0; i < 8; i++) shares[warp][columnOf<WIDE>(lane, i)] = total[i];
  __syncthreads();
  if (int(threadIdx.x) >= left) return;
  float sum = 0;
  for (int w = 0; w < WARPS; w++) sum += shares[w][threadIdx.x];
  partials[(long long)blockIdx.y * columns + column + threadIdx.x] = sum;
}

}  // namespace sums

extern "C" __global__ void partial_sums_f32(const float* x, double* partials, long long n) {
  __shared__ double scratch[32];
  double sum = 0;
  forChunks<4>(n, isAligned16(x), [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto xs = loadChunk<WIDTH>(x + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) sum += double(xs.at[j]);
  });
  sum = blockSumDouble(sum, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

extern "C" __global__ void sum_partials_f64(const double* partials, int count, double* sum) {
  __shared__ double scratch[32];
  double total = sums::blockTotal(partials, count, scratch);
  if (threadIdx.x == 0) *sum = total;
}

extern "C" __global__ void accumulate_sum_f64(const double* partials, int count, double* total) {
  __shared__ double scratch[32];
  double sum = sums::blockTotal(partials, count, scratch);
  if (threadIdx.x == 0) *total += sum;
}

#define SPARROW_COLUMN_PARTIALS_ENTRY(suffix, T)                                                                       \
  extern "C" __global__ void __launch_bounds__(32 * sums::WARPS)                                                       \
      column_partials_##suffix(const T* dy, float* partials, long long rows, int columns) {                            \
    __shared__ float shares[sums::WARPS][sums::COLUMNS];                                                               \
    if (columns % 8 == 0 && isAligned16(dy)) sums::columnPartials<T, true>(dy, partials, rows, columns, shares);       \
    else sums::columnPartials<T, false>(dy, partials, rows, columns, shares);                                          \
  }

SPARROW_COLUMN_PARTIALS_ENTRY(f32, float)
SPARROW_COLUMN_PARTIALS_ENTRY(bf16, bf16)

// A warp takes every eighth block's partials of 32 neighbouring elements; the warps' sums are added in order.
extern "C" __global__ void __launch_bounds__(32 * sums::WARPS)
    add_partials_f32(const float* partials, float* to, int blocks, long long stride, long long n) {
  __shared__ float shares[sums::WARPS][32];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  long long i = (long long)blockIdx.x * 32 + lane;
  float share = 0;
  if (i < n) {
#pragma unroll 4
    for (int block = warp; block < blocks; block += sums::WARPS) share += partials[block * stride + i];
  }
  shares[warp][lane] = share;
  __syncthreads();
  if (warp > 0 || i >= n) return;
  float sum = 0;
  for (int w = 0; w < sums::WARPS; w++) sum += shares[w][lane];
  to[i] += sum;
}
