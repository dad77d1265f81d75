// The gradient of an input through a weight whose rows share their columns in groups, on mma.sync, sm_80 and up.
//
//   group_scatter_nn      dx = epilogue(dy·W), ⊙ f'(h) or +=
//   group_scatter_pack    fragments of the values, before it
//
// The columns of W share nothing, but of each group dy_g·V_g is a dense product, whose columns belong to the group's columns of dx:
// they are added there, in shared memory. The weight is cut into lists of ROWS rows of one group (8, 16 or 64), laid out as in
// sparse/group_spmm.cu; fragments (runs, DEPTHS, 32 lanes) of 16 bytes are left operands of mma.sync, entries by rows. dy (m, rows)
// as it lies, rows a multiple of 8 and 16-byte aligned; c, m, n, preactivation, strideC, activation and accumulate as GemmArguments
// has them for nn.
//
// A block owns 256 columns of dx by 128 elements of the batch in fp32, and a warp 16 of those elements: it takes all lists in order
// and adds to nobody else's sums, so that repeated runs give the same bits.
//
// Limits, per multiprocessor and clock, of 128 bytes of shared memory: a run of 16 entries by 16 elements of the batch reads
// 512·DEPTHS bytes of fragments and moves 2048 of sums for 4096·DEPTHS FMA: 205 FMA at 16 rows, 95 TFLOP/s on an H100 (132
// multiprocessors of 1.755 GHz), 512 at 64. From the second-level cache, 24 bytes: at density d, 256 + 512·d bytes a row for
// 32768·d FMA: 119 TFLOP/s of non-zeros at 90 % zero, 237 at 75 %, where a dense product of 700 TFLOP/s does as much with 70 and 175.
//
// Launch contract: grid column tiles · batch tiles, column tiles first; 256 threads; SHARED_BYTES dynamic shared memory.
#include "ptx/mma.cuh"
#include "sparse/sliced.cuh"

// DEPTHS times 16 rows a list; of a list of 8 rows the other half is zero.
template <int DEPTHS>
struct GroupScatter {
  static constexpr int WARPS = 8, THREADS = 32 * WARPS, RUN = 16, BATCH = 16 * WARPS, COLUMNS = sliced::TILE_COLUMNS;
  static constexpr int SHARED_BYTES = COLUMNS * BATCH * 4;

  // Right operands: 16 rows of the weight by 8 elements of the batch.
  using Gradients = unsigned[DEPTHS][2][2];

  struct Lists {
    const int* starts;
    const unsigned char* columns;
    const int* sources;
    const uint4* fragments;
    int count, rows;  // lists, and rows of one
  };

  // Where the sums of a column and an element of the batch lie: four columns that differ modulo 4 meet different banks, and so do
  // four columns 8 apart, which are written out together. Two elements from an even one on are neighbours.
  __device__ __forceinline__ static int at(int column, int element) {
    return column * BATCH + (element ^ (column & 3) << 3 ^ (column >> 3 & 3) << 1);
  }

  // dy of a list's rows for this warp's elements of the batch; 0 where there is none.
  __device__ __forceinline__ static void load(Gradients& dy, const bf16* from, int rows, int firstRow, long long batch, int size) {
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int k = 0; k < DEPTHS; k++)
#pragma unroll
      for (int tile = 0; tile < 2; tile++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
          long long element = batch + 8 * tile + g;
          int row = firstRow + 16 * k + 8 * half + 2 * t;
          dy[k][tile][half] = element < size && row < rows ? loadVector<unsigned>(from + element * rows + row) : 0;
        }
  }

  // What a lane needs of a run: left operands, and the columns of its two entries, -1 where there is none.
  struct Run {
    uint4 left[DEPTHS];
    int columns[2];
  };

  // A list's runs in a tile.
  struct Range {
    int first, end;
  };

  __device__ __forceinline__ static Range rangeAt(const Lists& lists, int list, int tiles, int tile) {
    if (list >= lists.count) return {0, 0};
    const int* at = lists.starts + (long long)list * tiles + tile;
    return {at[0], at[1]};
  }

  __device__ __forceinline__ static Run runAt(const Lists& lists, int run, int end) {
    Run result = {{}, {-1, -1}};
    if (run >= end) return result;
    long long entry = (long long)run * RUN + threadIdx.x % 32 / 4;
#pragma unroll
    for (int half = 0; half < 2; half++)
      if (lists.sources[entry + 8 * half] >= 0) result.columns[half] = lists.columns[entry + 8 * half];
#pragma unroll
    for (int k = 0; k < DEPTHS; k++) result.left[k] = lists.fragments[((long long)run * DEPTHS + k) * 32 + threadIdx.x % 32];
    return result;
  }

  // Adds a run's products to the sums of its columns. All lanes of a warp go on together, and what one has added the others see.
  __device__ __forceinline__ static void add(float* sums, const Run& run, const Gradients& dy, int element) {
    float products[2][4] = {};
#pragma unroll
    for (int k = 0; k < DEPTHS; k++) {
      const unsigned left[4] = {run.left[k].x, run.left[k].y, run.left[k].z, run.left[k].w};
#pragma unroll
      for (int tile = 0; tile < 2; tile++) ptx::mma16816(products[tile], left, dy[k][tile], products[tile]);
    }
#pragma unroll
    for (int half = 0; half < 2; half++)
      if (run.columns[half] >= 0) {
#pragma unroll
        for (int tile = 0; tile < 2; tile++) {
          float* to = sums + at(run.columns[half], element + 8 * tile + threadIdx.x % 4 * 2);
          float2 old = loadVector<float2>(to);
          storeVector(to, make_float2(old.x + products[tile][2 * half], old.y + products[tile][2 * half + 1]));
        }
      }
    __syncwarp();
  }

  // Adds all lists' products. What comes next is on its way while a run is added: the next run, the next list's rows of dy, and
  // where the list after that begins.
  __device__ static void addLists(float* sums, const GemmArguments& g, const bf16* dy, const Lists& lists, int tiles, int tile,
                                  long long batch, int element) {
    int rows = lists.count * lists.rows;
    Range range = rangeAt(lists, 0, tiles, tile), following = rangeAt(lists, 1, tiles, tile);
    Gradients nextGradients;
    load(nextGradients, dy, rows, 0, batch + element, g.m);
    Run next = runAt(lists, range.first, range.end);
    for (int list = 0; list < lists.count; list++) {
      Gradients gradients;
      memcpy(gradients, nextGradients, sizeof gradients);
      load(nextGradients, dy, rows, (list + 1) * lists.rows, batch + element, g.m);
      Range after = rangeAt(lists, list + 2, tiles, tile);
      int number = range.first;
      do {
        Run run = next;
        bool last = number + 1 >= range.end;
        next = last ? runAt(lists, following.first, following.end) : runAt(lists, number + 1, range.end);
        add(sums, run, gradients, element);
      } while (++number < range.end);
      range = following, following = after;
    }
  }

  // Takes the sums to C: four lanes take neighbouring eights of columns, of elements that meet different banks.
  static_assert(BATCH == 128, "write() takes its numbers apart for 128 elements");
  template <GemmNonlinearity NONLINEARITY>
  __device__ static void write(const GemmArguments& g, const float* sums, int firstColumn, long long batch) {
    for (int i = threadIdx.x; i < BATCH * COLUMNS / 8; i += THREADS) {
      int element = i / 4 % 2 + i / 8 % 4 * 8 + i / 32 % 4 * 2 + i / 128 % 4 * 32, column = (i / 512 * 4 + i % 4) * 8;
      int left = g.n - firstColumn - column;
      if (batch + element >= g.m || left <= 0) continue;
      float values[8];
#pragma unroll
      for (int k = 0; k < 8; k++) values[k] = sums[at(column + k, element)];
      writeOut<NONLINEARITY>(g, static_cast<bf16*>(g.c), values, batch + element, firstColumn + column, left < 8 ? left : 8,
                             g.strideC % 8 == 0 && left >= 8);
    }
  }

  template <GemmNonlinearity NONLINEARITY>
  __device__ static void run(const GemmArguments& g, const bf16* dy, const Lists& lists) {
    SPARROW_DYNAMIC_SHARED(float, sums);
    int tiles = (g.n + COLUMNS - 1) / COLUMNS, tile = int(blockIdx.x % tiles), element = threadIdx.x / 32 * 16;
    long long batch = (long long)(blockIdx.x / tiles) * BATCH;
    for (int i = threadIdx.x; i < COLUMNS * BATCH; i += THREADS) sums[i] = 0;
    __syncthreads();
    addLists(sums, g, dy, lists, tiles, tile, batch, element);
    __syncthreads();
    write<NONLINEARITY>(g, sums, tile * COLUMNS, batch);
  }
};

// A thread makes 4 bytes: an entry of two neighbouring rows. n words; a list has listRows, its values are fanIn apart.
extern "C" __global__ void group_scatter_pack_bf16(const bf16* values, const int* sources, unsigned* fragments, long long n,
                                                   int fanIn, int listRows) {
  int depths = (listRows + 15) / 16;
  sliced::forAll(n, [&](long long i) {
    int part = int(i % 4), lane = int(i / 4 % 32), k = int(i / 128 % depths);
    int source = sources[i / (128 * depths) * 16 + lane / 4 + part % 2 * 8], row = 16 * k + lane % 4 * 2 + part / 2 * 8;
    bool exists = row < listRows;  // the next one then does, too: rows are even in number
    unsigned low = exists ? sliced::bitsOf(values, source, (long long)row * fanIn) : 0;
    unsigned high = exists ? sliced::bitsOf(values, source, (long long)(row + 1) * fanIn) : 0;
    fragments[i] = low | high << 16;
  });
}

#define GROUP_SCATTER_ENTRY(name, depths)                                                                                 \
  extern "C" __global__ void __launch_bounds__(GroupScatter<depths>::THREADS, 1)                                          \
      name(GemmArguments g, const bf16* dy, const int* starts, const unsigned char* columns, const int* sources,          \
           const uint4* fragments, int lists, int listRows) {                                                             \
    GroupScatter<depths>::run<GEMM_SLOPE>(g, dy, {starts, columns, sources, fragments, lists, listRows});                 \
  }

GROUP_SCATTER_ENTRY(group_scatter_nn_bf16_16, 1)
GROUP_SCATTER_ENTRY(group_scatter_nn_bf16_64, 4)
