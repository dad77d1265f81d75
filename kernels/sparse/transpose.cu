// The transpose of a matrix in bf16, so that what sparse products gather, a column, lies in one piece.
//
//   transpose   xt (columns, stride) = xᵀ of x (rows, columns), zero from rows on; stride is rows rounded up to a multiple of 8
//
// Reads 2·rows·columns bytes and writes as many: bound by memory. A tile goes through shared memory, whose 16-byte chunks are
// permuted so that neither side meets a bank twice.
//
// Launch contract: grid (tiles of 64 rows, tiles of 64 columns), 256 threads; xt 16-byte aligned.
#include "common/types.cuh"

namespace transpose {

constexpr int EDGE = 64, THREADS = 256, PACKS = EDGE / 8;

// Eight neighbours of a row, of which so many exist; the others are 0.
__device__ __forceinline__ Pack<bf16> loadRow(const bf16* p, int exist, bool wide) {
  if (wide && exist >= 8) return loadPack(p);
  Pack<bf16> pack;
#pragma unroll
  for (int i = 0; i < 8; i++) pack.at[i] = i < exist ? p[i] : fromFloat<bf16>(0.0f);
  return pack;
}

// Element of the tile at a column and row; rows of a column are neighbours.
__device__ __forceinline__ int at(int column, int row) { return column * EDGE + ((row / 8 ^ column / 8) * 8 + row % 8); }

}  // namespace transpose

extern "C" __global__ void __launch_bounds__(transpose::THREADS)
    transpose_bf16(const bf16* x, bf16* xt, int rows, int columns, long long stride) {
  using namespace transpose;
  __shared__ __align__(16) bf16 tile[EDGE * EDGE];
  int firstRow = blockIdx.x * EDGE, firstColumn = blockIdx.y * EDGE;
  bool wide = columns % 8 == 0 && isAligned16(x);
  for (int i = threadIdx.x; i < EDGE * PACKS; i += THREADS) {
    int row = i / PACKS, column = i % PACKS * 8;
    int exist = firstRow + row < rows ? columns - firstColumn - column : 0;
    Pack<bf16> pack = loadRow(x + (long long)(firstRow + row) * columns + firstColumn + column, exist, wide);
#pragma unroll
    for (int k = 0; k < 8; k++) tile[at(column + k, row)] = pack.at[k];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < EDGE * PACKS; i += THREADS) {
    int column = i / PACKS, row = i % PACKS * 8;
    if (firstColumn + column < columns && firstRow + row < stride)
      storePack(xt + (firstColumn + column) * stride + firstRow + row, loadPack(tile + at(column, row)));
  }
}
