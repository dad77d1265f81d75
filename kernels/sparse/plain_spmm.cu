// Products of a batch with a sparse matrix on CUDA cores, of single rows with any columns or of rows that share them by fours.
//
//   plain_spmm_nt    y = epilogue(x·Wᵀ)    W by its rows; h = x·Wᵀ + bias, f(h)         forward of a layer
//   plain_spmm_nn    dx = epilogue(dy·W)   W by its columns; ⊙ f'(h), +=                gradient of its input
//   shared_spmm_nt   as plain_spmm_nt for four rows a quarter
//   plain_pack, shared_pack                entries (steps, 4) of 16 bytes from values (nonZeros) and the pattern, before these
//
// W is sliced (sparse/sliced.cuh), with packed entries; xt is (columns of W as walked, stride), the other operand transposed by
// transpose_bf16. c, bias, residual, preactivation, strideC, m (the batch), n (rows as walked), activation and accumulate are
// those of GemmArguments; the rest of it is not used. Sums run in the order of a row's entries.
//
// A block makes ROWS rows by BATCH elements of the batch; tiles of xᵀ come by cp.async into one of two stages while the other is
// used. A quarter of a warp, eight lanes, walks a row: 16 bytes hold four entries, and for each entry a lane reads BATCH/8
// elements of x as 16-byte loads that meet no bank twice.
//
// Limits, of single rows, per multiprocessor and clock: 2 bytes of shared memory an FMA, 128 bytes a clock: 64 FMA. An entry
// costs a warp 2 loads, 16 conversions, 16 FMA and about 4 instructions more for its 4·8·16 products, 9.6 clocks of issue: 53
// FMA. On an H100 (132 multiprocessors of 1.755 GHz) 24 TFLOP/s of non-zeros, by fours 43. From the second-level cache come
// 2·BATCH bytes a column and 4·density·ROWS of entries: at 256x128 and 90 % zero 8.4 bytes a clock, of 24 that there are. The
// passes before move 4 bytes an element of x and 12 an entry.
//
// Launch contract: grid row tiles · batch tiles, row tiles first; THREADS threads; SHARED_BYTES dynamic shared memory. sliced::MOST_AHEAD
// steps behind the last are read and not used. y's columns past n are not touched.
#include "gemm/gemm.cuh"
#include "ptx/prefetch.cuh"
#include "sparse/sliced.cuh"

// SHARED rows a quarter, PASSES slices a warp, HALVES of 64 elements of the batch; AHEAD steps of entries are on their way while
// one is used, the more the fewer warps there are to wait with.
template <int SHARED, int PASSES, int HALVES, int WARPS, int AHEAD>
struct PlainSpmm {
  static_assert(2 * AHEAD <= sliced::MOST_AHEAD, "steps behind the last are read");
  static constexpr int THREADS = 32 * WARPS;
  static constexpr int SLICES = WARPS * PASSES, ROWS = SLICES * sliced::QUARTERS * SHARED, BATCH = 64 * HALVES;
  static constexpr int STAGE = sliced::TILE_COLUMNS * BATCH;  // elements
  static constexpr int OUT_BYTES = 64 * ROWS * 4;
  static constexpr int SHARED_BYTES = 2 * STAGE * 2 > OUT_BYTES ? 2 * STAGE * 2 : OUT_BYTES;
  using Sums = float[SHARED][HALVES][8];

  // A slice's entries as they come: those to be used next are in registers.
  struct Stream {
    const uint4* at;  // the last of them
    uint4 next[AHEAD];
    int left;  // steps in this tile

    __device__ __forceinline__ void open(const uint4* first) {
      at = first - sliced::QUARTERS;
      load();
    }
    __device__ __forceinline__ uint4 following() {
      at += sliced::QUARTERS;
      return loadVector<uint4>(at);
    }
    __device__ __forceinline__ void load() {
#pragma unroll
      for (int i = 0; i < AHEAD; i++) next[i] = following();
      // Entries are read once, from memory. Few warps wait for each of them: they start for the second-level cache long before.
      if (AHEAD > 1) ptx::prefetch(at + (sliced::MOST_AHEAD - 2 * AHEAD) * sliced::QUARTERS);
    }
  };

  // Adds an entry's products; x is this lane's first element of the entry's column.
  __device__ __forceinline__ static void add(Sums& sums, const bf16* x, const float (&values)[SHARED]) {
#pragma unroll
    for (int half = 0; half < HALVES; half++) {
      uint4 words = loadVector<uint4>(x + 64 * half);
      const unsigned pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
      for (int i = 0; i < 4; i++) {
        float low = sliced::lowOf(pairs[i]), high = sliced::highOf(pairs[i]);
#pragma unroll
        for (int s = 0; s < SHARED; s++) {
          sums[s][half][2 * i] += values[s] * low;
          sums[s][half][2 * i + 1] += values[s] * high;
        }
      }
    }
  }

  __device__ __forceinline__ static void addStep(Sums& sums, const bf16* x, const uint4& step) {
    if constexpr (SHARED == 1) {
      const unsigned entries[4] = {step.x, step.y, step.z, step.w};
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const float value[1] = {sliced::highOf(entries[e])};
        add(sums, x + (entries[e] & 0xff) * BATCH, value);
      }
    } else {
      const float values[4] = {sliced::lowOf(step.x), sliced::highOf(step.x), sliced::lowOf(step.y), sliced::highOf(step.y)};
      add(sums, x + step.z * BATCH, values);
    }
  }

  // The tile's part of a slice.
  __device__ __forceinline__ static void addTile(Sums& sums, const bf16* x, Stream& stream) {
    for (; stream.left >= AHEAD; stream.left -= AHEAD) {
      uint4 steps[AHEAD];
#pragma unroll
      for (int i = 0; i < AHEAD; i++) steps[i] = stream.next[i];
      stream.load();
#pragma unroll
      for (int i = 0; i < AHEAD; i++) addStep(sums, x, steps[i]);
    }
    if (AHEAD == 1) return;
    for (; stream.left > 0; stream.left--) {
      uint4 step = stream.next[0];
#pragma unroll
      for (int i = 1; i < AHEAD; i++) stream.next[i - 1] = stream.next[i];
      stream.next[AHEAD - 1] = stream.following();
      addStep(sums, x, step);
    }
  }

  // Takes 64 elements of the batch to C by way of shared memory. There an element's rows are neighbours, in fours that are
  // permuted so that the eight lanes of a quarter meet different banks.
  template <GemmNonlinearity NONLINEARITY>
  __device__ static void write(const GemmArguments& g, float* shared, const Sums (&sums)[PASSES], int half, int firstRow,
                               long long batch) {
    int warp = threadIdx.x / 32, quarter = threadIdx.x % 32 / 8, lane = threadIdx.x % 8;
    __syncthreads();
#pragma unroll
    for (int pass = 0; pass < PASSES; pass++)
#pragma unroll
      for (int s = 0; s < SHARED; s++)
#pragma unroll
        for (int k = 0; k < 8; k++) {
          int row = ((pass * WARPS + warp) * sliced::QUARTERS + quarter) * SHARED + s;
          shared[(8 * lane + k) * ROWS + (row ^ (4 * lane))] = sums[pass][s][half][k];
        }
    __syncthreads();
    sliced::writeRows<ROWS, THREADS, NONLINEARITY>(g, shared, [](int n) { return 4 * (n / 8); }, firstRow, batch);
  }

  template <GemmNonlinearity NONLINEARITY>
  __device__ static void run(const GemmArguments& g, const bf16* xt, long long stride, const int* starts, const uint4* entries,
                             int columns) {
    SPARROW_DYNAMIC_SHARED(bf16, shared);
    int warp = threadIdx.x / 32, quarter = threadIdx.x % 32 / 8, lane = threadIdx.x % 8;
    int rowTiles = (g.n + ROWS - 1) / ROWS, tiles = (columns + sliced::TILE_COLUMNS - 1) / sliced::TILE_COLUMNS;
    int slices = (g.n + sliced::QUARTERS * SHARED - 1) / (sliced::QUARTERS * SHARED);
    int firstSlice = int(blockIdx.x % rowTiles) * SLICES + warp;
    long long batch = (long long)(blockIdx.x / rowTiles) * BATCH;
    auto slice = [&](int pass) { return firstSlice + pass * WARPS; };
    Sums sums[PASSES] = {};
    Stream streams[PASSES];
#pragma unroll
    for (int pass = 0; pass < PASSES; pass++) {
      int first = slice(pass) < slices ? starts[slice(pass) * tiles] : 0;
      streams[pass].open(entries + first * sliced::QUARTERS + quarter);
    }
    auto fetch = [&](int tile) {
      if (tile < tiles)
        sliced::fetchTile<BATCH, THREADS>(shared + tile % 2 * STAGE, xt, stride, columns, tile * sliced::TILE_COLUMNS, batch);
      ptx::cpAsyncCommit();
    };
    fetch(0);
    for (int tile = 0; tile < tiles; tile++) {
#pragma unroll
      for (int pass = 0; pass < PASSES; pass++) {
        const int* at = starts + slice(pass) * tiles + tile;
        streams[pass].left = slice(pass) < slices ? at[1] - at[0] : 0;
      }
      fetch(tile + 1);
      ptx::cpAsyncWait<1>();
      __syncthreads();
      const bf16* x = shared + tile % 2 * STAGE + 8 * lane;
#pragma unroll
      for (int pass = 0; pass < PASSES; pass++) addTile(sums[pass], x, streams[pass]);
      __syncthreads();
    }
    ptx::cpAsyncWait<0>();
#pragma unroll
    for (int half = 0; half < HALVES; half++)
      write<NONLINEARITY>(g, reinterpret_cast<float*>(shared), sums, half, int(blockIdx.x % rowTiles) * ROWS, batch + 64 * half);
  }
};

// Entries of single rows: column in the low half, value in the high half. n entries.
extern "C" __global__ void plain_pack_bf16(const bf16* values, const unsigned char* columns, const int* sources,
                                           unsigned* entries, long long n) {
  sliced::forAll(n, [&](long long i) { entries[i] = sliced::bitsOf(values, sources[i]) << 16 | columns[i]; });
}

// Entries of four rows that share their columns, whose values are fanIn apart: two words of values, the column, 0.
extern "C" __global__ void shared_pack_bf16(const bf16* values, const unsigned char* columns, const int* sources, uint4* entries,
                                            long long n, int fanIn) {
  sliced::forAll(n, [&](long long i) {
    unsigned bits[4];
    for (int s = 0; s < 4; s++) bits[s] = sliced::bitsOf(values, sources[i], (long long)s * fanIn);
    entries[i] = make_uint4(bits[0] | bits[1] << 16, bits[2] | bits[3] << 16, columns[i], 0);
  });
}

// Entries: name, product, nonlinearity, tile.
#define SPMM_ENTRY(name, product, nonlinearity, tile)                                                              \
  extern "C" __global__ void __launch_bounds__(product::THREADS, 1)                                                \
      name##_bf16_##tile(GemmArguments g, const bf16* xt, long long stride, const int* starts, const uint4* entries, \
                         int columns) {                                                                            \
    product::run<nonlinearity>(g, xt, stride, starts, entries, columns);                                           \
  }

using PlainLarge = PlainSpmm<1, 4, 2, 16, 1>;
using PlainSmall = PlainSpmm<1, 1, 1, 8, 2>;
using SharedLarge = PlainSpmm<4, 1, 2, 16, 2>;
using SharedSmall = PlainSpmm<4, 1, 1, 8, 4>;

SPMM_ENTRY(plain_spmm_nt, PlainLarge, GEMM_VALUE, 256x128)
SPMM_ENTRY(plain_spmm_nt, PlainSmall, GEMM_VALUE, 32x64)
SPMM_ENTRY(plain_spmm_nn, PlainLarge, GEMM_SLOPE, 256x128)
SPMM_ENTRY(plain_spmm_nn, PlainSmall, GEMM_SLOPE, 32x64)
SPMM_ENTRY(shared_spmm_nt, SharedLarge, GEMM_VALUE, 256x128)
SPMM_ENTRY(shared_spmm_nt, SharedSmall, GEMM_VALUE, 128x64)
