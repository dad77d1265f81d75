// One warp's product in registers, (16·MI, 8·NI) fp32 sums, chained without a way through memory: the sums of one product
// become the left operand of the next. Lane 4g + t has, in sums[i][j][2·half + e], row 16i + 8·half + g and column
// 8j + 2t + e.
#pragma once

#include "common/types.cuh"
#include "ptx/mma.cuh"

// sums += left (16·MI, 16) · columns 0 to 8·NI - 1 of a right operand's tile, at 16 steps of its depth. right is an offset from
// base as Tile::fragments takes it.
template <class Tile, int MI, int NI>
__device__ __forceinline__ void addProduct(float (&sums)[MI][NI][4], const unsigned (&left)[MI][4], const bf16* base, int right,
                                           int depth) {
#pragma unroll
  for (int j = 0; j < NI; j += 2) {
    unsigned columns[4];
    Tile::fragments(columns, base, right, 8 * j, depth);
    const unsigned first[2] = {columns[0], columns[1]}, second[2] = {columns[2], columns[3]};
#pragma unroll
    for (int i = 0; i < MI; i++) {
      ptx::mma16816(sums[i][j], left[i], first, sums[i][j]);
      ptx::mma16816(sums[i][j + 1], left[i], second, sums[i][j + 1]);
    }
  }
}

// Columns 16·step to 16·step + 15 of sums, rounded to bf16, as a left operand.
template <int MI, int NI>
__device__ __forceinline__ void leftOf(unsigned (&left)[MI][4], const float (&sums)[MI][NI][4], int step) {
#pragma unroll
  for (int i = 0; i < MI; i++)
#pragma unroll
    for (int r = 0; r < 4; r++) {
      const float(&from)[4] = sums[i][2 * step + r / 2];
      left[i][r] = packBf16(from[r % 2 * 2], from[r % 2 * 2 + 1]);
    }
}

// Takes sums, rounded to bf16, to memory in chunks of 16 bytes by way of the tile's rows from row on, which this warp alone
// reads and has no more use for. to is 16-byte aligned, stride and columns are multiples of 8; rows by columns exist.
template <class Tile, int MI, int NI>
__device__ __forceinline__ void storeRows(const float (&sums)[MI][NI][4], bf16* tile, int row, bf16* to, long long stride,
                                          int rows, int columns) {
  static_assert(Tile::CHUNKS == NI, "a row of the tile takes a row of sums");
  int lane = threadIdx.x % 32;
  __syncwarp();
#pragma unroll
  for (int i = 0; i < MI; i++)
#pragma unroll
    for (int j = 0; j < NI; j++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        unsigned pair = packBf16(sums[i][j][2 * half], sums[i][j][2 * half + 1]);
        memcpy(tile + Tile::at(row + 16 * i + 8 * half + lane / 4, j) + lane % 4 * 2, &pair, 4);
      }
  __syncwarp();
  for (int k = lane; k < 16 * MI * NI; k += 32) {
    int r = k / NI, chunk = k % NI;
    if (r < rows && chunk * 8 < columns) storePack(to + r * stride + chunk * 8, loadPack(tile + Tile::at(row + r, chunk)));
  }
}
