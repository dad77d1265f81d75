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

#include "gemm/gemm.cuh"
#include "ptx/cp_async.cuh"

namespace sliced {

constexpr int QUARTERS = 4, TILE_COLUMNS = 256;

// Steps behind the last that a product may read, and does not use.
constexpr int MOST_AHEAD = 16;

// Entries of a quarter in a step: what 16 bytes of packed entries hold. Of single rows each is 4 bytes, column and value;
// of four rows that share their columns 16, their values and the column.
constexpr int perStep(int sharedRows) { return sharedRows == 1 ? 4 : 1; }

// Starts copying a tile of xᵀ, TILE_COLUMNS rows of BATCH elements from row `column` and element `batch` on. Columns that do not
// exist are left alone: no entry names them. Past stride the batch becomes 0. PERMUTED: chunks of 16 bytes lie where chunkAt()
// says.
__device__ __forceinline__ int chunkAt(int column, int chunk) { return chunk ^ (column & 7); }

template <int BATCH, int THREADS, bool PERMUTED = false>
__device__ __forceinline__ void fetchTile(bf16* tile, const bf16* xt, long long stride, int columns, int column,
                                          long long batch) {
  constexpr int CHUNKS = BATCH / 8;
  int count = min(TILE_COLUMNS, columns - column) * CHUNKS;
  for (int i = threadIdx.x; i < count; i += THREADS) {
    int row = i / CHUNKS, chunk = i % CHUNKS, to = PERMUTED ? row * CHUNKS + chunkAt(row, chunk) : i;
    bool exists = batch + chunk * 8 < stride;
    ptx::cpAsync16(tile + to * 8, exists ? xt + (column + row) * stride + batch + chunk * 8 : xt, exists);
  }
}

// The two elements of a word as fp32.
__device__ __forceinline__ float lowOf(unsigned word) { return __uint_as_float(word << 16); }
__device__ __forceinline__ float highOf(unsigned word) { return __uint_as_float(word & 0xffff0000u); }

// Takes sums of 64 elements of the batch by ROWS rows from shared memory to C. There the rows of an element are neighbours in
// permuted order: row r of element n is at n·ROWS + (r ^ permuted(n)), of which permuted() is a multiple of 4.
template <int ROWS, int THREADS, GemmNonlinearity NONLINEARITY, class Permuted>
__device__ __forceinline__ void writeRows(const GemmArguments& g, const float* shared, Permuted permuted, int firstRow,
                                          long long batch) {
  constexpr int PACKS = ROWS / 8;
  for (int i = threadIdx.x; i < 64 * PACKS; i += THREADS) {
    int element = i / PACKS, row = i % PACKS * 8, left = g.n - firstRow - row;
    if (batch + element >= g.m || left <= 0) continue;
    float values[8];
#pragma unroll
    for (int k = 0; k < 8; k += 4) {
      float4 four = loadVector<float4>(shared + element * ROWS + ((row + k) ^ permuted(element)));
      values[k] = four.x, values[k + 1] = four.y, values[k + 2] = four.z, values[k + 3] = four.w;
    }
    writeOut<NONLINEARITY>(g, static_cast<bf16*>(g.c), values, batch + element, firstRow + row, left < 8 ? left : 8,
                           g.strideC % 8 == 0 && left >= 8);
  }
}

// Calls body(i) for 0 to n - 1, split over the grid.
template <class Body>
__device__ __forceinline__ void forAll(long long n, Body body) {
  long long threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads) body(i);
}

// The value of an entry, or of another row `offset` behind it; 0 where there is no entry.
__device__ __forceinline__ unsigned bitsOf(const bf16* values, int source, long long offset = 0) {
  return source < 0 ? 0 : __bfloat16_as_ushort(values[source + offset]);
}

}  // namespace sliced
