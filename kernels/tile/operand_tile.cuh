// One operand's tile in shared memory, (EDGE, DEPTH) of a matrix product, as the tensor cores' loads want it.
//
// The tile is kept as it lies in memory, in rows of 16-byte chunks: with DEPTH_CONTIGUOUS a row is one row or column of
// the product (EDGE rows of DEPTH elements), otherwise one step of the depth (DEPTH rows of EDGE elements). Chunks are
// permuted within a row so that the eight rows that one ldmatrix phase reads fall into different banks: rows of 32 bytes
// share a 128-byte line by four, rows of 64 bytes by two, rows of 128 bytes and more start in the same bank.
#pragma once

#include "common/types.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/ldmatrix.cuh"

template <int EDGE, int DEPTH, bool DEPTH_CONTIGUOUS>
struct OperandTile {
  static constexpr int ROWS = DEPTH_CONTIGUOUS ? EDGE : DEPTH;
  static constexpr int CHUNKS = (DEPTH_CONTIGUOUS ? DEPTH : EDGE) / 8;  // of a row
  static constexpr int ELEMENTS = EDGE * DEPTH;
  static_assert(CHUNKS == 2 || CHUNKS == 4 || CHUNKS % 8 == 0, "rows of 32 or 64 bytes or of whole 128-byte lines");

  // The first element of a chunk.
  __device__ static int at(int row, int chunk) {
    int permuted = chunk ^ (CHUNKS == 2 ? row >> 2 & 1 : CHUNKS == 4 ? row >> 1 & 3 : row & 7);
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

  // The rows of memory that a thread's share of load() comes from, where an index tells them.
  template <int THREADS>
  struct GatheredRows {
    static constexpr int COUNT = ROWS * CHUNKS / THREADS;
    static_assert(ROWS * CHUNKS % THREADS == 0, "each thread copies as many chunks");
    int rows[COUNT];  // -1: none

    // Row r of the tile is index[r] for the first count rows.
    __device__ __forceinline__ void find(const int* index, long long count) {
#pragma unroll
      for (int n = 0; n < COUNT; n++) {
        int row = int(threadIdx.x + n * THREADS) / CHUNKS;
        rows[n] = row < count ? index[row] : -1;
      }
    }

    // load() from those rows; from is the tile's first column in the first row of memory, columns of which exist.
    __device__ __forceinline__ void load(bf16* tile, const bf16* from, long long stride, long long columns) const {
#pragma unroll
      for (int n = 0; n < COUNT; n++) {
        int i = threadIdx.x + n * THREADS, chunk = i % CHUNKS;
        bool exists = rows[n] >= 0 && chunk * 8 < columns;
        ptx::cpAsync16(tile + at(i / CHUNKS, chunk), exists ? from + rows[n] * stride + chunk * 8 : from, exists);
      }
    }
  };

  // load() where the tile's rows and columns count as ints: a thread keeps to one chunk and steps over rows, so that
  // it needs one address of either memory.
  template <int THREADS>
  __device__ static void loadRows(bf16* tile, const bf16* from, long long stride, int rows, int columns) {
    constexpr int STEP = THREADS / CHUNKS;
    static_assert(STEP % 8 == 0 && ROWS % STEP == 0, "the permutation repeats every 8 rows");
    int row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS;
    int left = chunk * 8 < columns ? rows - row : 0;
    tile += at(row, chunk);
    from += row * stride + chunk * 8;
#pragma unroll
    for (int r = 0; r < ROWS; r += STEP) {
      ptx::cpAsync16(tile + r * CHUNKS * 8, from, r < left);
      from += STEP * stride;
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

  // left() and right() for long loops: this lane's element at edge 0 and depth 0 as an offset into the tile, taken once, and
  // the fragments from there on. To the offset one may add that of a tile from base; base and tiles are aligned to their
  // rows. A step across chunks is then one exclusive or, and a step across rows part of the instruction.
  __device__ static int leftLane() {
    int lane = threadIdx.x % 32;
    return DEPTH_CONTIGUOUS ? at(lane % 16, lane / 16) : at(lane % 8 + lane / 16 * 8, lane / 8 % 2);
  }
  __device__ static int rightLane() {
    int lane = threadIdx.x % 32;
    return DEPTH_CONTIGUOUS ? at(lane % 8 + lane / 16 * 8, lane / 8 % 2) : at(lane % 8 + lane / 8 % 2 * 8, lane / 16);
  }
  __device__ static void fragments(unsigned (&registers)[4], const bf16* base, int offset, int edge, int depth) {
    if (DEPTH_CONTIGUOUS) ptx::ldmatrix4(registers, base + (offset ^ depth) + edge * CHUNKS * 8);
    else ptx::ldmatrix4Transposed(registers, base + (offset ^ edge) + depth * CHUNKS * 8);
  }
};
