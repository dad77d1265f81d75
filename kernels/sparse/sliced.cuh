// A sparse matrix as the products on CUDA cores walk it: in slices of rows and tiles of columns.
//
// A slice is four quarters; a quarter is one row, or SHARED rows that share their columns. Columns are cut into tiles of 256, so
// that a column within its tile is one byte. Of a slice in a tile all quarters have as many entries, the most that one of them
// needs; the others are filled up with entries of value 0. A step of a slice is PER_STEP entries of each quarter, quarter after
// quarter; steps follow each other tile by tile and then slice by slice, so that each slice is one stream without row pointers:
//
//   starts   (slices·tiles + 1)       the first step of each tile of a slice
//   columns  (steps, 4, PER_STEP)     column within the tile
//   sources  (steps, 4, PER_STEP)     which of the values it is, of the first of SHARED rows; -1: none
//
// Both views of a weight are stored so: its rows for forward and its own gradient, its columns for the input's gradient. In
// the bank format, whose rows hold equally many in each bank, nothing but the last step is filled up.
#pragma once

#include "common/types.cuh"
#include "ptx/cp_async.cuh"

namespace sliced {

constexpr int QUARTERS = 4, TILE_COLUMNS = 256;

// Entries of a quarter in a step: what 16 bytes of packed entries hold. Of single rows each is 4 bytes, column and value;
// of four rows that share their columns 16, their values and the column.
constexpr int perStep(int sharedRows) { return sharedRows == 1 ? 4 : 1; }

// Starts copying a tile of xᵀ, TILE_COLUMNS rows of BATCH elements from row `column` and element `batch` on. Columns that do not
// exist are left alone: no entry names them. Past stride the batch becomes 0.
template <int BATCH, int THREADS>
__device__ __forceinline__ void fetchTile(bf16* tile, const bf16* xt, long long stride, int columns, int column,
                                          long long batch) {
  constexpr int CHUNKS = BATCH / 8;
  int count = min(TILE_COLUMNS, columns - column) * CHUNKS;
  for (int i = threadIdx.x; i < count; i += THREADS) {
    int row = i / CHUNKS, chunk = i % CHUNKS * 8;
    bool exists = batch + chunk < stride;
    ptx::cpAsync16(tile + i * 8, exists ? xt + (column + row) * stride + batch + chunk : xt, exists);
  }
}

// The two elements of a word as fp32.
__device__ __forceinline__ float lowOf(unsigned word) { return __uint_as_float(word << 16); }
__device__ __forceinline__ float highOf(unsigned word) { return __uint_as_float(word & 0xffff0000u); }

}  // namespace sliced
