// One operand's tile in shared memory, (EDGE, DEPTH) of a matrix product, as the tensor cores' loads want it.
//
// The tile is kept as it lies in memory, in rows of 16-byte chunks: with DEPTH_CONTIGUOUS a row is one row or column of
// the product (EDGE rows of DEPTH elements), otherwise one step of the depth (DEPTH rows of EDGE elements). Chunks are
// permuted within a row so that the eight rows that one ldmatrix phase reads fall into different banks: rows of 64 bytes
// share a 128-byte line by two, rows of 128 bytes and more start in the same bank.
#pragma once

#include "common/types.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/ldmatrix.cuh"

template <int EDGE, int DEPTH, bool DEPTH_CONTIGUOUS>
struct OperandTile {
  static constexpr int ROWS = DEPTH_CONTIGUOUS ? EDGE : DEPTH;
  static constexpr int CHUNKS = (DEPTH_CONTIGUOUS ? DEPTH : EDGE) / 8;  // of a row
  static constexpr int ELEMENTS = EDGE * DEPTH;
  static_assert(CHUNKS == 4 || CHUNKS % 8 == 0, "rows of 64 bytes or of whole 128-byte lines");

  // The first element of a chunk.
  __device__ static int at(int row, int chunk) {
    int permuted = CHUNKS == 4 ? chunk ^ (row >> 1 & 3) : chunk ^ (row & 7);
    return (row * CHUNKS + permuted) * 8;
  }

  // Starts copying the tile whose first element is from. Rows of memory are stride elements apart; of the tile, edge by
  // depth elements exist and the rest becomes 0, but for what follows a row's last element within its chunk: those are
  // elements of memory, harmless past the edge and not allowed past the depth. THREADS threads take part.
  template <int THREADS>
  __device__ static void load(bf16* tile, const bf16* from, long long stride, long long edge, long long depth) {
    long long rows = DEPTH_CONTIGUOUS ? edge : depth;
    long long columns = DEPTH_CONTIGUOUS ? depth : edge;
    for (int i = threadIdx.x; i < ROWS * CHUNKS; i += THREADS) {
      int row = i / CHUNKS, chunk = i % CHUNKS;
      bool exists = row < rows && chunk * 8 < columns;
      ptx::cpAsync16(tile + at(row, chunk), exists ? from + row * stride + chunk * 8 : from, exists);
    }
  }

  // Fragments of the left operand for 16 rows from edge on and 16 steps from depth on.
  __device__ static void left(unsigned (&fragment)[4], const bf16* tile, int edge, int depth) {
    int lane = threadIdx.x % 32;
    if (DEPTH_CONTIGUOUS) {
      ptx::ldmatrix4(fragment, tile + at(edge + lane % 16, depth / 8 + lane / 16));
    } else {
      ptx::ldmatrix4Transposed(fragment, tile + at(depth + lane % 8 + lane / 16 * 8, edge / 8 + lane / 8 % 2));
    }
  }

  // Fragments of the right operand for two times 8 columns from edge on and 16 steps from depth on.
  __device__ static void right(unsigned (&fragments)[4], const bf16* tile, int edge, int depth) {
    int lane = threadIdx.x % 32;
    if (DEPTH_CONTIGUOUS) {
      ptx::ldmatrix4(fragments, tile + at(edge + lane % 8 + lane / 16 * 8, depth / 8 + lane / 8 % 2));
    } else {
      ptx::ldmatrix4Transposed(fragments, tile + at(depth + lane % 8 + lane / 8 % 2 * 8, edge / 8 + lane / 16));
    }
  }
};
