// Forward products with weights whose rows share their columns in groups of 8 and more, on mma.sync, sm_80 and up: what
// group_gemm_nt does, for groups too small to read their columns of x for themselves.
//
//   group_spmm_nt    y = epilogue(x·Wᵀ)
//   group_pack       fragments of the values, before it
//
// The weight is cut into lists of 8 or 16 rows of one group; a list has its entries in runs of 16, tile of 256 columns after tile:
// starts (lists·tiles + 1) in runs, columns (runs, 16) within their tile, sources (runs, 16) the value of the list's first row, -1
// where a run is filled up. fragments (runs, R/8, 32 lanes) of 8 bytes are the right operands of mma.sync: entries by rows.
// Arguments are those of sparse/plain_spmm.cu.
//
// A block holds a tile of xᵀ in shared memory, 256 columns by BATCH, that all its lists share; two stages by cp.async. ldmatrix takes
// the address of each of its rows, so the gather costs nothing: a lane names the row of an entry's column. Eight such rows meet eight
// banks if their columns differ modulo 8; the order of a list's entries is free, and whoever lays them out deals them by that.
//
// Limits: per multiprocessor and clock mma.sync does about 1300 FMA, shared memory gives 128 bytes and the second-level cache about
// 24. For 16 entries by 16 elements of the batch by R rows ldmatrix reads 512 bytes: 64·R FMA a clock, times about 0.7 where eight
// columns do not all differ modulo 8; R = 16: 730, R = 8: 365 FMA, on an H100 (132 multiprocessors of 1.755 GHz) 338 and 169 TFLOP/s
// of non-zeros. From the second-level cache a tile of 256 rows by 128 at density d reads 256 + 512·d bytes for 32768·d FMA: 75 %
// zero 512 FMA a clock, 237 TFLOP/s; 90 % zero 256 FMA, 119 TFLOP/s, 1.7 times a dense product of 700 TFLOP/s.
//
// Launch contract: grid row tiles · batch tiles, row tiles first; THREADS threads; SHARED_BYTES dynamic shared memory.
#include "ptx/ldmatrix.cuh"
#include "ptx/mma.cuh"
#include "sparse/sliced.cuh"

// NI times 8 rows a list, PASSES lists a warp, MI times 16 elements of the batch a block.
template <int NI, int PASSES, int MI, int WARPS>
struct GroupSpmm {
  static constexpr int THREADS = 32 * WARPS, RUN = 16, LIST_ROWS = 8 * NI;
  static constexpr int LISTS = WARPS * PASSES, ROWS = LISTS * LIST_ROWS, BATCH = 16 * MI;
  static constexpr int STAGE = sliced::TILE_COLUMNS * BATCH;  // elements
  static constexpr int OUT_BYTES = 64 * ROWS * 4;
  static constexpr int SHARED_BYTES = 2 * STAGE * 2 > OUT_BYTES ? 2 * STAGE * 2 : OUT_BYTES;
  using Sums = float[MI][NI][4];

  // A list's runs as they come: what is used next is in registers.
  struct Stream {
    uint2 next[NI];  // right operands
    int nextColumn;  // of the entry whose row of the tile this lane names
    int run, left;   // the next run's number, and how many there are in this tile
  };

  __device__ __forceinline__ static int entryOfLane() { return threadIdx.x % 8 + threadIdx.x % 32 / 16 * 8; }

  __device__ __forceinline__ static void read(Stream& stream, const unsigned char* columns, const uint2* fragments, int runs) {
    if (stream.run >= runs) return;
#pragma unroll
    for (int j = 0; j < NI; j++) stream.next[j] = fragments[((long long)stream.run * NI + j) * 32 + threadIdx.x % 32];
    stream.nextColumn = columns[(long long)stream.run * RUN + entryOfLane()];
  }

  // Adds the runs of a list in a tile; runs there are in all.
  __device__ __forceinline__ static void addTile(Sums& sums, const bf16* tile, Stream& stream, const unsigned char* columns,
                                                 const uint2* fragments, int runs) {
    for (; stream.left > 0; stream.left--) {
      int offset = (stream.nextColumn * (BATCH / 8) + sliced::chunkAt(stream.nextColumn, threadIdx.x / 8 % 2)) * 8;
      unsigned right[NI][2];
#pragma unroll
      for (int j = 0; j < NI; j++) right[j][0] = stream.next[j].x, right[j][1] = stream.next[j].y;
      stream.run++;
      read(stream, columns, fragments, runs);
#pragma unroll
      for (int i = 0; i < MI; i++) {
        unsigned left[4];
        ptx::ldmatrix4Transposed(left, tile + (offset ^ (16 * i)));
#pragma unroll
        for (int j = 0; j < NI; j++) ptx::mma16816(sums[i][j], left, right[j], sums[i][j]);
      }
    }
  }

  // Takes 64 elements of the batch to C by way of shared memory.
  template <GemmNonlinearity NONLINEARITY>
  __device__ static void write(const GemmArguments& g, float* shared, const Sums (&sums)[PASSES], int first, int firstRow,
                               long long batch) {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    auto permuted = [](int n) { return 8 * (n % 4); };
    __syncthreads();
#pragma unroll
    for (int pass = 0; pass < PASSES; pass++)
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < NI; j++)
#pragma unroll
          for (int half = 0; half < 2; half++) {
            int element = 16 * i + 8 * half + lane / 4, row = (pass * WARPS + warp) * LIST_ROWS + 8 * j + lane % 4 * 2;
            const float(&from)[4] = sums[pass][first + i][j];
            storeVector(shared + element * ROWS + (row ^ permuted(element)), make_float2(from[2 * half], from[2 * half + 1]));
          }
    __syncthreads();
    sliced::writeRows<ROWS, THREADS, NONLINEARITY>(g, shared, permuted, firstRow, batch);
  }

  template <GemmNonlinearity NONLINEARITY>
  __device__ static void run(const GemmArguments& g, const bf16* xt, long long stride, const int* starts,
                             const unsigned char* columns, const uint2* fragments, int columnCount) {
    SPARROW_DYNAMIC_SHARED(bf16, shared);
    int rowTiles = (g.n + ROWS - 1) / ROWS, tiles = (columnCount + sliced::TILE_COLUMNS - 1) / sliced::TILE_COLUMNS;
    int rowTile = int(blockIdx.x % rowTiles), lists = g.n / LIST_ROWS;
    long long batch = (long long)(blockIdx.x / rowTiles) * BATCH;
    auto listOf = [&](int pass) { return rowTile * LISTS + pass * WARPS + int(threadIdx.x / 32); };
    int runs = starts[lists * tiles];
    Sums sums[PASSES] = {};
    Stream streams[PASSES] = {};
#pragma unroll
    for (int pass = 0; pass < PASSES; pass++) {
      streams[pass].run = listOf(pass) < lists ? starts[listOf(pass) * tiles] : runs;
      read(streams[pass], columns, fragments, runs);
    }
    auto fetch = [&](int tile) {
      if (tile < tiles)
        sliced::fetchTile<BATCH, THREADS, true>(shared + tile % 2 * STAGE, xt, stride, columnCount, tile * sliced::TILE_COLUMNS,
                                                batch);
      ptx::cpAsyncCommit();
    };
    fetch(0);
    for (int tile = 0; tile < tiles; tile++) {
#pragma unroll
      for (int pass = 0; pass < PASSES; pass++) {
        const int* at = starts + listOf(pass) * tiles + tile;
        streams[pass].left = listOf(pass) < lists ? at[1] - at[0] : 0;
      }
      fetch(tile + 1);
      ptx::cpAsyncWait<1>();
      __syncthreads();
#pragma unroll
      for (int pass = 0; pass < PASSES; pass++)
        addTile(sums[pass], shared + tile % 2 * STAGE, streams[pass], columns, fragments, runs);
      __syncthreads();
    }
    ptx::cpAsyncWait<0>();
#pragma unroll
    for (int first = 0; first < MI; first += 4)
      write<NONLINEARITY>(g, reinterpret_cast<float*>(shared), sums, first, rowTile * ROWS, batch + 16 * first);
  }
};

// A thread makes 4 bytes: two neighbouring entries of a row. n words; rows of the values are fanIn apart.
template <int NI>
__device__ void packFragments(const bf16* values, const int* sources, unsigned* fragments, long long n, int fanIn) {
  sliced::forAll(n, [&](long long i) {
    int half = int(i % 2), lane = int(i / 2 % 32), j = int(i / 64 % NI);
    const int* pair = sources + i / (64 * NI) * 16 + 8 * half + lane % 4 * 2;
    long long row = (long long)(8 * j + lane / 4) * fanIn;
    fragments[i] = sliced::bitsOf(values, pair[0], row) | sliced::bitsOf(values, pair[1], row) << 16;
  });
}

extern "C" __global__ void group_pack_bf16_8(const bf16* values, const int* sources, unsigned* fragments, long long n, int fanIn) {
  packFragments<1>(values, sources, fragments, n, fanIn);
}

extern "C" __global__ void group_pack_bf16_16(const bf16* values, const int* sources, unsigned* fragments, long long n, int fanIn) {
  packFragments<2>(values, sources, fragments, n, fanIn);
}

// Entries: name with the rows of a list and the tile.
#define GROUP_SPMM_ENTRY(name, product)                                                                                      \
  extern "C" __global__ void __launch_bounds__(product::THREADS, 1)                                                          \
      name(GemmArguments g, const bf16* xt, long long stride, const int* starts, const unsigned char* columns,               \
           const uint2* fragments, int columnCount) {                                                                        \
    product::run<GEMM_VALUE>(g, xt, stride, starts, columns, fragments, columnCount);                                        \
  }

using EightLarge = GroupSpmm<1, 2, 8, 16>;
using EightSmall = GroupSpmm<1, 2, 4, 4>;
using SixteenLarge = GroupSpmm<2, 1, 8, 16>;
using SixteenSmall = GroupSpmm<2, 1, 4, 4>;

GROUP_SPMM_ENTRY(group_spmm_nt_bf16_8_256x128, EightLarge)
GROUP_SPMM_ENTRY(group_spmm_nt_bf16_8_64x64, EightSmall)
GROUP_SPMM_ENTRY(group_spmm_nt_bf16_16_256x128, SixteenLarge)
GROUP_SPMM_ENTRY(group_spmm_nt_bf16_16_64x64, SixteenSmall)
