// What attention does to a warp's tile of scores in registers (see warp_product.cuh): it hides keys after the query, or past
// the last, and it drops probabilities.
#pragma once

#include "common/types.cuh"

enum class TileRows { QUERIES, KEYS };  // what the rows of a tile are; its columns are the other

// Makes scores of keys after their query -inf. The tile's first element is row, column.
template <TileRows ROWS, int MI, int NI>
__device__ __forceinline__ void hideFuture(float (&scores)[MI][NI][4], int row, int column) {
  int lane = threadIdx.x % 32;
  int below = row + lane / 4 - column - lane % 4 * 2;  // rows by which this thread's first element lies below the diagonal
#pragma unroll
  for (int i = 0; i < MI; i++)
#pragma unroll
    for (int j = 0; j < NI; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        int distance = below + 16 * i + e / 2 * 8 - 8 * j - e % 2;
        if (ROWS == TileRows::QUERIES ? distance < 0 : distance > 0) scores[i][j][e] = -INFINITY;
      }
}

// Makes scores of keys from `end` on -inf, where columns are keys and the first of them is `column`.
template <int MI, int NI>
__device__ __forceinline__ void hideAbsent(float (&scores)[MI][NI][4], int column, int end) {
  int left = end - column - int(threadIdx.x % 4) * 2;  // keys from this thread's first column on
#pragma unroll
  for (int j = 0; j < NI; j++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (8 * j + e % 2 >= left)
#pragma unroll
        for (int i = 0; i < MI; i++) scores[i][j][e] = -INFINITY;
}

// Calls each(i, j, e) for this thread's elements of 16·MI rows by 32 columns.
template <int MI, class Each>
__device__ __forceinline__ void forElements(Each each) {
#pragma unroll
  for (int i = 0; i < MI; i++)
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) each(i, j, e);
}

// Which of a warp's probabilities, 16·MI rows by 32 columns, are kept. Each lane draws a 32nd of them, a run of keys; what
// concerns its own elements it then asks of the others.
template <TileRows ROWS, int MI>
struct KeptTile {
  static constexpr int RUN = 16 * MI;  // keys that a lane draws for

  unsigned bits;

  // keptBits(query, key) tells of the keys from key to key + RUN - 1. All 32 lanes call this together, and forElements as well.
  template <class KeptBits>
  __device__ static KeptTile draw(int row, int column, KeptBits keptBits) {
    int lane = threadIdx.x % 32;
    if (ROWS == TileRows::KEYS) return {keptBits(column + lane, row)};
    return {keptBits(row + lane % (16 * MI), column + lane / (16 * MI) * RUN)};
  }

  // Calls each(i, j, e, kept) for this thread's elements.
  template <class Each>
  __device__ void forElements(Each each) const {
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    if (ROWS == TileRows::QUERIES) {
#pragma unroll
      for (int row = 0; row < 2 * MI; row++) {
        unsigned keys = __shfl_sync(0xffffffffu, bits, 8 * row + g);
        if (MI == 1) keys |= __shfl_sync(0xffffffffu, bits, 16 + 8 * row + g) << 16;
        keys >>= 2 * t;
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
          for (int e = 0; e < 2; e++) each(row / 2, j, row % 2 * 2 + e, (keys >> (8 * j + e) & 1) != 0);
      }
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
          unsigned keys = __shfl_sync(0xffffffffu, bits, 8 * j + 2 * t + e) >> g;
#pragma unroll
          for (int row = 0; row < 2 * MI; row++) each(row / 2, j, row % 2 * 2 + e, (keys >> (8 * row) & 1) != 0);
        }
    }
  }
};
