// The gradient of a sparse weight's values on CUDA cores: a dense product sampled at the non-zeros alone.
//
//   plain_sddmm    dvalues_r,i += Σ_n dy_n,r · x_n,column(r, i)        single rows
//   shared_sddmm   the same of four rows that share their columns      a read of x serves four sums
//
// xt (columns, stride) and dyt (rows, stride) are x and dy transposed by transpose_bf16, stride the batch rounded up to a multiple
// of 8; W is sliced by rows (sparse/sliced.cuh). The batch is summed in pieces of 128, each added to dvalues by the one thread
// that owns the value, so that repeated runs give the same bits.
//
// A block takes a tile of columns and slicesPerBlock slices of rows. Of each piece of the batch the tile of xᵀ comes by cp.async
// into one of two stages while the other is used; a quarter of a warp, eight lanes, holds 16 elements of dy a lane and walks its
// row's entries in the tile.
//
// Limits, of single rows, per multiprocessor and clock: as plain_spmm 64 FMA by shared memory; a step of 4 entries a quarter costs
// a warp 8 loads, 64 conversions, 64 FMA and about 26 instructions more for its 16·128 products: 51 FMA, on an H100 (132
// multiprocessors of 1.755 GHz) 23 TFLOP/s; by fours 82 FMA, 38 TFLOP/s. From the second-level cache come, of 256 columns by R
// rows at density d, 512 + 2·R bytes an element of the batch, and 8·256·R·d bytes of dvalues for 128 of them.
//
// Launch contract: grid (tiles of 256 columns, slices over slicesPerBlock); THREADS threads; SHARED_BYTES dynamic shared memory.
#include "sparse/sliced.cuh"

template <int SHARED>
struct PlainSddmm {
  static constexpr int WARPS = 16, THREADS = 32 * WARPS, BATCH = 128, HALVES = BATCH / 64;
  static constexpr int STAGE = sliced::TILE_COLUMNS * BATCH, SHARED_BYTES = 2 * STAGE * 2;
  static constexpr int PER_STEP = sliced::perStep(SHARED);
  static_assert(PER_STEP * SHARED == 4, "a step of a quarter has four sums");

  struct Operands {
    const bf16 *xt, *dyt;
    long long stride;
    const int* starts;
    const unsigned char* columns;
    const int* sources;
    float* dvalues;
    int rows, columnCount, fanIn;
  };

  using Gradients = float[SHARED][HALVES][8];  // of this lane's elements of the batch

  __device__ static void load(Gradients& dy, const Operands& o, int row, long long batch) {
#pragma unroll
    for (int s = 0; s < SHARED; s++)
#pragma unroll
      for (int half = 0; half < HALVES; half++) {
        long long at = batch + 64 * half + 8 * (threadIdx.x % 8);
        bool exists = row + s < o.rows && at < o.stride;
        uint4 words = exists ? loadVector<uint4>(o.dyt + (row + s) * o.stride + at) : make_uint4(0, 0, 0, 0);
        const unsigned pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
          dy[s][half][2 * i] = sliced::lowOf(pairs[i]);
          dy[s][half][2 * i + 1] = sliced::highOf(pairs[i]);
        }
      }
  }

  // One entry's sums over this lane's elements, of each of SHARED rows.
  __device__ __forceinline__ static void multiply(float (&sums)[SHARED], const Gradients& dy, const bf16* x) {
#pragma unroll
    for (int half = 0; half < HALVES; half++) {
      uint4 words = loadVector<uint4>(x + 64 * half);
      const unsigned pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
      for (int i = 0; i < 4; i++) {
        float low = sliced::lowOf(pairs[i]), high = sliced::highOf(pairs[i]);
#pragma unroll
        for (int s = 0; s < SHARED; s++) sums[s] += dy[s][half][2 * i] * low + dy[s][half][2 * i + 1] * high;
      }
    }
  }

  // Which of a quarter's four sums total() leaves in this lane.
  __device__ __forceinline__ static int numberOfTotal() { return threadIdx.x % 2 * 2 + threadIdx.x / 2 % 2; }

  // Adds four sums over the eight lanes of a quarter; each lane gets one of them. Half of the sums are given away at a time.
  __device__ __forceinline__ static float total(const float (&sums)[4]) {
    bool odd = threadIdx.x % 2 == 1, second = threadIdx.x / 2 % 2 == 1;
    float a = (odd ? sums[2] : sums[0]) + __shfl_xor_sync(0xffffffffu, odd ? sums[0] : sums[2], 1);
    float b = (odd ? sums[3] : sums[1]) + __shfl_xor_sync(0xffffffffu, odd ? sums[1] : sums[3], 1);
    float mine = (second ? b : a) + __shfl_xor_sync(0xffffffffu, second ? a : b, 2);
    return mine + __shfl_xor_sync(0xffffffffu, mine, 4);
  }

  // A step's columns and, of this lane's sum, where it belongs: -1 where nowhere.
  struct Step {
    unsigned columns;
    int source;
  };

  __device__ __forceinline__ static Step stepAt(const Operands& o, int step, int end) {
    if (step >= end) return {0, -1};
    long long quarter = (long long)step * sliced::QUARTERS + threadIdx.x % 32 / 8;
    int number = numberOfTotal();
    if constexpr (SHARED == 1)
      return {loadVector<unsigned>(o.columns + quarter * 4), o.sources[quarter * 4 + number]};
    int source = o.sources[quarter];
    return {o.columns[quarter], source < 0 ? -1 : source + number * o.fanIn};
  }

  // A slice's entries in a tile of xᵀ; x is this lane's first element of column 0.
  __device__ static void addSlice(const Operands& o, const bf16* x, const Gradients& dy, int first, int end) {
    Step next = stepAt(o, first, end);
    for (int number = first; number < end; number++) {
      Step step = next;
      float* to = threadIdx.x % 8 < 4 && step.source >= 0 ? o.dvalues + step.source : nullptr;
      float old = to != nullptr ? *to : 0.0f;
      next = stepAt(o, number + 1, end);
      float sums[4] = {};
#pragma unroll
      for (int e = 0; e < PER_STEP; e++) {
        float of[SHARED] = {};
        multiply(of, dy, x + (step.columns >> 8 * e & 0xff) * BATCH);
#pragma unroll
        for (int s = 0; s < SHARED; s++) sums[e * SHARED + s] = of[s];
      }
      float sum = total(sums);
      if (to != nullptr) *to = old + sum;
    }
  }

  __device__ static void run(const Operands& o, int slicesPerBlock) {
    SPARROW_DYNAMIC_SHARED(bf16, shared);
    int warp = threadIdx.x / 32, quarter = threadIdx.x % 32 / 8;
    int tile = blockIdx.x, tiles = gridDim.x, perSlice = sliced::QUARTERS * SHARED;
    int slices = (o.rows + perSlice - 1) / perSlice;
    int firstSlice = blockIdx.y * slicesPerBlock, endSlice = min(firstSlice + slicesPerBlock, slices);
    auto fetch = [&](long long batch) {
      if (batch < o.stride)
        sliced::fetchTile<BATCH, THREADS>(shared + batch / BATCH % 2 * STAGE, o.xt, o.stride, o.columnCount,
                                          tile * sliced::TILE_COLUMNS, batch);
      ptx::cpAsyncCommit();
    };
    fetch(0);
    for (long long batch = 0; batch < o.stride; batch += BATCH) {
      fetch(batch + BATCH);
      ptx::cpAsyncWait<1>();
      __syncthreads();
      const bf16* x = shared + batch / BATCH % 2 * STAGE + threadIdx.x % 8 * 8;
      for (int slice = firstSlice + warp; slice < endSlice; slice += WARPS) {
        Gradients dy;
        load(dy, o, (slice * sliced::QUARTERS + quarter) * SHARED, batch);
        const int* at = o.starts + slice * tiles + tile;
        addSlice(o, x, dy, at[0], at[1]);
      }
      __syncthreads();
    }
    ptx::cpAsyncWait<0>();
  }
};

#define SDDMM_ENTRY(name, shared)                                                                                          \
  extern "C" __global__ void __launch_bounds__(PlainSddmm<shared>::THREADS, 1)                                             \
      name##_bf16_f32(const bf16* xt, const bf16* dyt, long long stride, const int* starts, const unsigned char* columns,  \
                      const int* sources, float* dvalues, int rows, int columnCount, int fanIn, int slicesPerBlock) {      \
    PlainSddmm<shared>::run({xt, dyt, stride, starts, columns, sources, dvalues, rows, columnCount, fanIn}, slicesPerBlock); \
  }

SDDMM_ENTRY(plain_sddmm, 1)
SDDMM_ENTRY(shared_sddmm, 4)
