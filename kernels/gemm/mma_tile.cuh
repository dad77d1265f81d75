// What the products on mma.sync share: the tile's measures, the ring of stages, and the way of a tile to C.
#pragma once

#include "gemm/gemm.cuh"
#include "ptx/cp_async.cuh"

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

// Goes through a task's depth: fetch(step) starts the copies of a step into its stage, number step modulo STAGES, and
// multiply(step) uses them; STAGES - 1 steps are on their way ahead of the arithmetic.
template <class Config, class Fetch, class Multiply>
__device__ __forceinline__ void throughStages(long long depth, Fetch fetch, Multiply multiply) {
  long long steps = (depth + Config::DEPTH - 1) / Config::DEPTH;
#pragma unroll
  for (int step = 0; step < Config::STAGES - 1; step++) {
    if (step < steps) fetch(step);
    ptx::cpAsyncCommit();
  }
  for (long long step = 0; step < steps; step++) {
    ptx::cpAsyncWait<Config::STAGES - 2>();
    // All threads' copies of this stage are there, and all are done with the stage that is filled next.
    __syncthreads();
    long long next = step + Config::STAGES - 1;
    if (next < steps) fetch(next);
    ptx::cpAsyncCommit();
    multiply(step);
  }
  ptx::cpAsyncWait<0>();
  __syncthreads();
}

// Takes the tile to C, the rows of one row of warps after the other through shared memory, Config::OUT_BYTES of it. A row of the
// product is row rowOfC(row) of C.
template <class Config, class Out, GemmNonlinearity NONLINEARITY = GEMM_LINEAR, int MI, int NI, class RowOfC>
__device__ __forceinline__ void writeTile(const GemmArguments& g, const GemmTask& task, float* shared, int warpRow,
                                          int warpColumn, const float (&sums)[MI][NI][4], RowOfC rowOfC) {
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
        writeOut<NONLINEARITY>(g, c, values, rowOfC(task.row + top + row), task.column + column, left < 8 ? left : 8,
                               aligned && left >= 8);
      }
    }
    __syncthreads();
  }
}

// The same where rows are C's own.
template <class Config, class Out, GemmNonlinearity NONLINEARITY = GEMM_LINEAR, int MI, int NI>
__device__ __forceinline__ void writeTile(const GemmArguments& g, const GemmTask& task, float* shared, int warpRow,
                                          int warpColumn, const float (&sums)[MI][NI][4]) {
  writeTile<Config, Out, NONLINEARITY>(g, task, shared, warpRow, warpColumn, sums, [](long long row) { return row; });
}
