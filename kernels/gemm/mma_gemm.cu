// Matrix products in bf16 with fp32 accumulation on mma.sync, sm_80 and up: C = epilogue(A·B), dense and grouped.
//
//   gemm_nt  y = x·wᵀ       x (m, k), w (n, k)      forward of a layer
//   gemm_nn  dx = dy·w      dy (m, k), w (k, n)     gradient of its input
//   gemm_tn  dw = dyᵀ·x     dy (k, m), x (k, n)     gradient of its weight
//   grouped_gemm_nt, _nn    ragged rows; grouped_gemm_tn ragged depth; see GemmArguments (Gale et al. 2022, §5.1)
//
// Names end in the element type of C and the tile: rows x columns x depth. Grid: any number of blocks, which walk over the
// tiles; as many as fit the device at once is best. Block: Config::THREADS. Dynamic shared memory: Config::SHARED_BYTES.
//
// A block's tile of C lives in registers; tiles of A and B come through a ring of shared-memory stages by cp.async, STAGES
// - 1 ahead of the arithmetic. On its way out a tile passes through shared memory, so that C, the residual and the
// preactivation are moved in whole rows of 16 bytes.
#include "gemm/gemm.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/mma.cuh"
#include "tile/operand_tile.cuh"

// Tile choice as data: rows, columns and depth of a block's tile, rows and columns of a warp's, stages.
template <int ROWS_, int COLUMNS_, int DEPTH_, int WARP_ROWS_, int WARP_COLUMNS_, int STAGES_>
struct GemmConfig {
  static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, DEPTH = DEPTH_, STAGES = STAGES_;
  static constexpr int WARP_ROWS = WARP_ROWS_, WARP_COLUMNS = WARP_COLUMNS_;
  static constexpr int WARPS_DOWN = ROWS / WARP_ROWS, WARPS_ACROSS = COLUMNS / WARP_COLUMNS;
  static constexpr int THREADS = 32 * WARPS_DOWN * WARPS_ACROSS;
  static constexpr int STAGE_ELEMENTS = (ROWS + COLUMNS) * DEPTH;
  static constexpr int OUT_STRIDE = COLUMNS + 4;  // floats; rows 4 banks apart
  static constexpr int STAGES_BYTES = STAGES * STAGE_ELEMENTS * 2, OUT_BYTES = WARP_ROWS * OUT_STRIDE * 4;
  static constexpr int SHARED_BYTES = STAGES_BYTES > OUT_BYTES ? STAGES_BYTES : OUT_BYTES;
};

using Large = GemmConfig<128, 128, 32, 64, 32, 4>;
using Small = GemmConfig<64, 64, 32, 32, 32, 4>;

template <class Config, bool A_DEPTH_CONTIGUOUS, bool B_DEPTH_CONTIGUOUS>
struct MmaGemm {
  using A = OperandTile<Config::ROWS, Config::DEPTH, A_DEPTH_CONTIGUOUS>;
  using B = OperandTile<Config::COLUMNS, Config::DEPTH, B_DEPTH_CONTIGUOUS>;
  static constexpr int MI = Config::WARP_ROWS / 16, NI = Config::WARP_COLUMNS / 8;
  using Sums = float[MI][NI][4];

  // Starts copying step number step of the task's depth into its stage.
  __device__ static void fetch(const GemmArguments& g, const GemmTask& task, long long step, bf16* shared) {
    long long from = step * Config::DEPTH, left = task.depth - from, at = task.first + from;
    bf16* stage = shared + step % Config::STAGES * Config::STAGE_ELEMENTS;
    const bf16* a = g.a + (A_DEPTH_CONTIGUOUS ? task.row * g.strideA + at : at * g.strideA + task.row);
    const bf16* b = g.b + task.group * g.groupStrideB;
    b += B_DEPTH_CONTIGUOUS ? task.column * g.strideB + at : at * g.strideB + task.column;
    A::template load<Config::THREADS>(stage, a, g.strideA, task.rows, left);
    B::template load<Config::THREADS>(stage + A::ELEMENTS, b, g.strideB, g.n - task.column, left);
  }

  // Adds one stage's product to this warp's part of the tile.
  __device__ static void multiply(const bf16* stage, int warpRow, int warpColumn, Sums& sums) {
#pragma unroll
    for (int depth = 0; depth < Config::DEPTH; depth += 16) {
      unsigned a[MI][4], b[NI / 2][4];
#pragma unroll
      for (int i = 0; i < MI; i++) A::left(a[i], stage, warpRow + 16 * i, depth);
#pragma unroll
      for (int j = 0; j < NI / 2; j++) B::right(b[j], stage + A::ELEMENTS, warpColumn + 16 * j, depth);
#pragma unroll
      for (int i = 0; i < MI; i++)
#pragma unroll
        for (int j = 0; j < NI; j++) {
          const unsigned right[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
          ptx::mma16816(sums[i][j], a[i], right, sums[i][j]);
        }
    }
  }

  __device__ static void sum(const GemmArguments& g, const GemmTask& task, bf16* shared, int warpRow, int warpColumn,
                             Sums& sums) {
    long long steps = (task.depth + Config::DEPTH - 1) / Config::DEPTH;
#pragma unroll
    for (int step = 0; step < Config::STAGES - 1; step++) {
      if (step < steps) fetch(g, task, step, shared);
      ptx::cpAsyncCommit();
    }
    for (long long step = 0; step < steps; step++) {
      ptx::cpAsyncWait<Config::STAGES - 2>();
      // All threads' copies of this stage are there, and all are done with the stage that is filled next.
      __syncthreads();
      long long next = step + Config::STAGES - 1;
      if (next < steps) fetch(g, task, next, shared);
      ptx::cpAsyncCommit();
      multiply(shared + step % Config::STAGES * Config::STAGE_ELEMENTS, warpRow, warpColumn, sums);
    }
    ptx::cpAsyncWait<0>();
    __syncthreads();
  }

  // Takes the tile to C, the rows of one row of warps after the other through shared memory.
  template <class Out>
  __device__ static void epilogue(const GemmArguments& g, const GemmTask& task, float* shared, int warpRow,
                                  int warpColumn, const Sums& sums) {
    int lane = threadIdx.x % 32;
    Out* c = static_cast<Out*>(g.c) + task.group * g.groupStrideC;
    bool aligned = g.strideC % 8 == 0;
    for (int top = 0; top < Config::ROWS; top += Config::WARP_ROWS) {
      if (warpRow == top) {
#pragma unroll
        for (int i = 0; i < MI; i++)
#pragma unroll
          for (int j = 0; j < NI; j++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
              int row = 16 * i + 8 * half + lane / 4, column = warpColumn + 8 * j + lane % 4 * 2;
              float* at = shared + row * Config::OUT_STRIDE + column;
              at[0] = sums[i][j][2 * half];
              at[1] = sums[i][j][2 * half + 1];
            }
      }
      __syncthreads();
      constexpr int PACKS = Config::COLUMNS / 8;
      for (int i = threadIdx.x; i < Config::WARP_ROWS * PACKS; i += Config::THREADS) {
        int row = i / PACKS, column = i % PACKS * 8, left = g.n - task.column - column;
        if (top + row < task.rows && left > 0) {
          float values[8];
          for (int k = 0; k < 8; k++) values[k] = shared[row * Config::OUT_STRIDE + column + k];
          writeOut(g, c, values, task.row + top + row, task.column + column, left < 8 ? left : 8, aligned && left >= 8);
        }
      }
      __syncthreads();
    }
  }

  template <GemmForm FORM, class Out>
  __device__ static void run(const GemmArguments& g) {
    SPARROW_DYNAMIC_SHARED(unsigned char, shared);
    int warp = threadIdx.x / 32;
    int warpRow = warp / Config::WARPS_ACROSS * Config::WARP_ROWS;
    int warpColumn = warp % Config::WARPS_ACROSS * Config::WARP_COLUMNS;
    GemmTasks<FORM, Config::ROWS, Config::COLUMNS> tasks(g);
    GemmTask task;
    for (long long number = blockIdx.x; tasks.find(number, task); number += gridDim.x) {
      Sums sums = {};
      sum(g, task, reinterpret_cast<bf16*>(shared), warpRow, warpColumn, sums);
      // Ragged depth: C's rows are the group's own.
      epilogue<Out>(g, task, reinterpret_cast<float*>(shared), warpRow, warpColumn, sums);
    }
  }
};

// Entries: name, whether the depth is contiguous in A and in B, form.
#define GEMM_ENTRY(name, form, aContiguous, bContiguous, out, outName, config, tile)                          \
  extern "C" __global__ void __launch_bounds__(config::THREADS) name##_##outName##_##tile(GemmArguments g) { \
    MmaGemm<config, aContiguous, bContiguous>::template run<form, out>(g);                                    \
  }
#define GEMM_TILES(name, form, aContiguous, bContiguous, out, outName)                             \
  GEMM_ENTRY(name, form, aContiguous, bContiguous, out, outName, Large, 128x128x32)                \
  GEMM_ENTRY(name, form, aContiguous, bContiguous, out, outName, Small, 64x64x32)

GEMM_TILES(gemm_nt, GEMM_DENSE, true, true, bf16, bf16)
GEMM_TILES(gemm_nn, GEMM_DENSE, true, false, bf16, bf16)
GEMM_TILES(gemm_tn, GEMM_DENSE, false, false, float, f32)
GEMM_TILES(grouped_gemm_nt, GEMM_RAGGED_ROWS, true, true, bf16, bf16)
GEMM_TILES(grouped_gemm_nn, GEMM_RAGGED_ROWS, true, false, bf16, bf16)
GEMM_TILES(grouped_gemm_tn, GEMM_RAGGED_DEPTH, false, false, float, f32)
