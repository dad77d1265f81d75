// One stage's product of a block's tile on mma.sync, each warp its own part, from operands as OperandTile keeps them.
#pragma once

#include "gemm/mma_tile.cuh"
#include "ptx/mma.cuh"
#include "tile/operand_tile.cuh"

template <class Config, bool A_DEPTH_CONTIGUOUS, bool B_DEPTH_CONTIGUOUS>
struct MmaProduct {
  using A = OperandTile<Config::ROWS, Config::DEPTH, A_DEPTH_CONTIGUOUS>;
  using B = OperandTile<Config::COLUMNS, Config::DEPTH, B_DEPTH_CONTIGUOUS>;
  static constexpr int MI = Config::WARP_ROWS / 16, NI = Config::WARP_COLUMNS / 8;
  using Sums = float[MI][NI][4];
  static_assert(NI % 2 == 0, "fragments of two columns of tiles come together");

  // First row and column of this thread's warp.
  __device__ static int warpRow() { return threadIdx.x / 32 / Config::WARPS_ACROSS * Config::WARP_ROWS; }
  __device__ static int warpColumn() { return threadIdx.x / 32 % Config::WARPS_ACROSS * Config::WARP_COLUMNS; }

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
};
