// sparrow: sm_90a only, emulated
// The gradient of an input through a weight whose rows share their columns by 64 or a multiple, on wgmma for Hopper: what
// group_scatter.cu does, with larger tiles.
//
//   group_scatter_wgmma_nn      dx = epilogue(dy·W), ⊙ f'(h) or +=
//   group_scatter_wgmma_pack    the values by entries, before it
//
// The weight is cut into lists of 64 rows, laid out as in sparse/group_spmm.cu but with tiles of TILE columns, steps of 8 entries
// and columns of two bytes; packed (entries, 64) holds the values of an entry's rows. dy (m, rows) as it lies, rows a multiple of
// 64 and 16-byte aligned; c, m, n, preactivation, strideC, activation and accumulate as GemmArguments has them for nn.
//
// A block owns two tiles of dx by 64 elements of the batch in fp32, one for each of its warpgroups, which share the list's rows of dy.
// A warpgroup multiplies them by 64 entries at a time, and a warp adds what comes of it to the sums of its own 16 elements: lists
// follow each other in order, so that repeated runs give the same bits.
//
// Limits, per multiprocessor and clock, on an H100 (132 multiprocessors of 1.755 GHz) at 4096 columns: the second-level cache gives
// 24 bytes, and a list costs 8192 for dy and 130 an entry, filled-up ones too, for 4096 FMA an entry: at 90 % zero 14.6 FMA a byte,
// 351 a clock, 163 TFLOP/s of non-zeros, where group_scatter.cu, counted alike, is limited to 112; at 75 % zero 239 against 228.
// Shared memory, 128 bytes: at 90 % zero a list writes 17 KB, reads 32 KB of operands and moves 35 KB of sums for 249000 FMA, 380 FMA
// a clock. Four times a dense product of 700 TFLOP/s would take 280 at 90 % zero: dy would have to come once for several
// blocks, by multicast in a cluster.
//
// Launch contract: grid pairs of tiles · batch tiles, pairs first; THREADS; SHARED_BYTES dynamic shared memory.
#include "ptx/wgmma.cuh"
#include "sparse/sliced.cuh"
#include "tile/operand_tile.cuh"

struct GroupScatterWgmma {
  static constexpr int ROWS = 64, BATCH = 64, TILE = 304, RUN = 64, STEP = 8, STAGES = 3, AHEAD = STAGES - 1, THREADS = 256;
  using Gradients = OperandTile<BATCH, ROWS, true>;
  using Entries = OperandTile<RUN, ROWS, true>;
  using Sums = float[RUN / 2];
  // Bytes of shared memory: a stage's entries of both tiles, the rows of dy of as many lists, the sums, a stage's columns.
  static constexpr int ENTRIES_BYTES = Entries::ELEMENTS * 2, GRADIENTS_BYTES = Gradients::ELEMENTS * 2;
  static constexpr int SUMS_AT = STAGES * (2 * ENTRIES_BYTES + GRADIENTS_BYTES), PLACES_AT = SUMS_AT + 2 * TILE * BATCH * 4;
  static constexpr int SHARED_BYTES = PLACES_AT + STAGES * 2 * RUN * 2;
  static_assert(SHARED_BYTES <= 232448, "more than a block of sm_90 may have");

  struct Lists {
    const int* starts;
    const unsigned short* columns;
    const bf16* packed;
    int count, tiles;
  };

  struct Shared {
    unsigned char* base;

    __device__ bf16* entries(int stage, int tile) const { return reinterpret_cast<bf16*>(base + (2 * stage + tile) * ENTRIES_BYTES); }
    __device__ bf16* gradients(int list) const {
      return reinterpret_cast<bf16*>(base + STAGES * 2 * ENTRIES_BYTES + list % STAGES * GRADIENTS_BYTES);
    }
    __device__ float* sums(int tile) const { return reinterpret_cast<float*>(base + SUMS_AT) + tile * (TILE * BATCH); }
    __device__ unsigned short* places(int stage, int tile) const {
      return reinterpret_cast<unsigned short*>(base + PLACES_AT) + (2 * stage + tile) * RUN;
    }
  };

  static_assert(BATCH == 64, "Places counts on it");

  // Where the sums of a column and an element of the batch lie. Columns that follow each other in a list differ modulo 8, and of four
  // even or odd ones the elements meet different banks; so do the elements of eight columns 8 apart, which are written out together.
  __device__ __forceinline__ static int at(int column, int element) {
    return column * BATCH + (element ^ (column >> 1 & 3) << 3 ^ (column >> 3 & 7));
  }

  // Walks over runs of the block's two tiles, list by list, each at least one. What the next list needs is read ahead.
  struct Cursor {
    const int* starts;
    int tiles, count, list, run, first[2], end[2], nextFirst[2], nextEnd[2];

    __device__ __forceinline__ Cursor(const Lists& lists, int tile)
        : starts(lists.starts + tile), tiles(lists.tiles - tile), count(lists.count), list(-1), run(0) {
      readAhead(lists.tiles);
      nextList(lists.tiles);
    }
    __device__ __forceinline__ void readAhead(int perList) {
#pragma unroll
      for (int tile = 0; tile < 2; tile++) {
        bool exists = list + 1 < count && tile < tiles;
        const int* at = starts + (long long)(list + 1) * perList + tile;
        nextFirst[tile] = exists ? at[0] : 0, nextEnd[tile] = exists ? at[1] : 0;
      }
    }
    __device__ __forceinline__ void nextList(int perList) {
#pragma unroll
      for (int tile = 0; tile < 2; tile++) first[tile] = nextFirst[tile], end[tile] = nextEnd[tile];
      list++, run = 0;
      readAhead(perList);
    }
    __device__ __forceinline__ void advance(int perList) {
      run++;
      if (max(left(0), left(1)) <= 0) nextList(perList);
    }
    // Entries of a tile from this run on, those that fill up a step among them.
    __device__ __forceinline__ int left(int tile) const { return (end[tile] - first[tile]) * STEP - run * RUN; }
    __device__ __forceinline__ long long entry(int tile) const { return (long long)first[tile] * STEP + run * RUN; }
    __device__ __forceinline__ bool exists() const { return list < count; }
  };

  // Starts the copies of a run: entries and their columns, and dy with a list's first run.
  __device__ __forceinline__ static void fetch(const Shared& shared, int stage, const Cursor& cursor, const Lists& lists, const bf16* dy,
                                               long long rows, int batchLeft) {
    if (cursor.run == 0 && max(cursor.left(0), cursor.left(1)) > 0)
      Gradients::loadRows<THREADS>(shared.gradients(cursor.list), dy + cursor.list * ROWS, rows, batchLeft, ROWS);
#pragma unroll
    for (int tile = 0; tile < 2; tile++) {
      int left = cursor.left(tile);
      if (left <= 0) continue;
      long long entry = cursor.entry(tile);
      Entries::loadRows<THREADS>(shared.entries(stage, tile), lists.packed + entry * ROWS, ROWS, left, ROWS);
      int chunk = threadIdx.x - tile * (RUN / 8);
      if (chunk >= 0 && chunk < RUN / 8 && chunk * 8 < left)
        ptx::cpAsync16(shared.places(stage, tile) + chunk * 8, lists.columns + entry + chunk * 8);
    }
  }

  __device__ __forceinline__ static void multiply(const bf16* gradients, const bf16* entries, Sums& products) {
    uint64_t left = ptx::describeTile(gradients, 0), right = ptx::describeTile(entries, 0);
    ptx::warpgroupFence();
#pragma unroll
    for (int i = 0; i < ROWS / 16; i++) ptx::wgmma64x64x16<0, 0>(products, left + i * 2, right + i * 2, i > 0);
    ptx::warpgroupCommit();
    ptx::warpgroupWait<0>();
  }

  // Where a thread's elements of two columns lie: the bytes of at(), for both at once. The third and fourth are those of the element
  // 8 behind.
  struct Places {
    unsigned bytes[4];
    bool exists[2];

    __device__ __forceinline__ Places(unsigned pair, unsigned element) {
      unsigned spread = (pair << 4 & 0x00600060u) ^ (pair >> 1 & 0x001c001cu);
      bytes[0] = (pair << 8 & 0x00ffff00u) ^ (spread & 0xffu) ^ 4 * element;
      bytes[1] = (pair >> 8 & 0x00ffff00u) ^ spread >> 16 ^ 4 * element;
      bytes[2] = bytes[0] ^ 32, bytes[3] = bytes[1] ^ 32;
      exists[0] = (pair & 0xffffu) != 0xffffu, exists[1] = pair < 0xffff0000u;
    }
  };

  // Adds products to the sums of their columns. All are read before the first is written: no two are the same. Eights of entries
  // that do not exist cost nothing.
  __device__ __forceinline__ static void add(float* sums, const unsigned short* places, int count, const Sums& products) {
    unsigned lane = threadIdx.x % 32, element = threadIdx.x / 32 % 4 * 16 + lane / 4;
    unsigned char* base = reinterpret_cast<unsigned char*>(sums);
    unsigned pairs[RUN / STEP];
    float old[RUN / 2];
#pragma unroll
    for (int step = 0; step < RUN / STEP; step++) {
      if (step * STEP >= count) continue;
      pairs[step] = loadVector<unsigned>(places + step * STEP + lane % 4 * 2);
      Places at(pairs[step], element);
#pragma unroll
      for (int i = 0; i < 4; i++)
        if (at.exists[i % 2]) old[4 * step + i] = *reinterpret_cast<const float*>(base + at.bytes[i]);
    }
#pragma unroll
    for (int step = 0; step < RUN / STEP; step++) {
      if (step * STEP >= count) continue;
      Places at(pairs[step], element);
#pragma unroll
      for (int i = 0; i < 4; i++)
        if (at.exists[i % 2]) *reinterpret_cast<float*>(base + at.bytes[i]) = old[4 * step + i] + products[4 * step + i];
    }
  }

  __device__ static void addLists(const Shared& shared, const Lists& lists, int tile, const bf16* dy, long long rows,
                                  int batchLeft) {
    int own = threadIdx.x / 128;
    Cursor fetched(lists, tile), current = fetched;
    for (int stage = 0; stage < AHEAD; stage++) {
      if (fetched.exists()) {
        fetch(shared, stage, fetched, lists, dy, rows, batchLeft);
        fetched.advance(lists.tiles);
      }
      ptx::cpAsyncCommit();
    }
    for (int stage = 0; current.exists(); current.advance(lists.tiles)) {
      ptx::cpAsyncWait<AHEAD - 1>();
      ptx::fenceAsyncProxy();
      // All threads' copies of this run are there, and all are done with the run before.
      __syncthreads();
      if (fetched.exists()) {
        fetch(shared, stage == 0 ? STAGES - 1 : stage - 1, fetched, lists, dy, rows, batchLeft);
        fetched.advance(lists.tiles);
      }
      ptx::cpAsyncCommit();
      int left = own == 0 ? current.left(0) : current.left(1);
      if (left > 0) {
        Sums products;
        multiply(shared.gradients(current.list), shared.entries(stage, own), products);
        add(shared.sums(own), shared.places(stage, own), left, products);
      }
      stage = stage + 1 == STAGES ? 0 : stage + 1;
    }
    ptx::cpAsyncWait<0>();
    __syncthreads();
  }

  // Takes the sums to C: eight lanes take neighbouring eights of columns, of elements 8 apart.
  template <GemmNonlinearity NONLINEARITY>
  __device__ static void write(const GemmArguments& g, const Shared& shared, int tile, long long batch) {
    constexpr int PACKS = TILE / 8, EIGHTS = (PACKS + 7) / 8;
#pragma unroll 1
    for (int i = threadIdx.x; i < 2 * EIGHTS * 8 * BATCH; i += THREADS) {
      int element = i / 8 % 4 * 8 + i / 32 % 8 + i / 256 % 2 * 32, pack = i / 512 % EIGHTS * 8 + i % 8, half = i / (512 * EIGHTS);
      int column = (tile + half) * TILE + 8 * pack, left = g.n - column;
      if (pack >= PACKS || batch + element >= g.m || left <= 0) continue;
      const float* sums = shared.sums(half);
      float values[8];
#pragma unroll
      for (int k = 0; k < 8; k++) values[k] = sums[at(8 * pack + k, element)];
      writeOut<NONLINEARITY>(g, static_cast<bf16*>(g.c), values, batch + element, column, left < 8 ? left : 8,
                             g.strideC % 8 == 0 && left >= 8);
    }
  }

  template <GemmNonlinearity NONLINEARITY>
  __device__ static void run(const GemmArguments& g, const bf16* dy, const Lists& lists) {
    SPARROW_DYNAMIC_SHARED(unsigned char, base);
    Shared shared = {base};
    int pairs = (lists.tiles + 1) / 2, tile = int(blockIdx.x % pairs) * 2;
    long long batch = (long long)(blockIdx.x / pairs) * BATCH, rows = (long long)lists.count * ROWS;
    float* sums = shared.sums(0);
    for (int i = threadIdx.x; i < 2 * TILE * BATCH; i += THREADS) sums[i] = 0;
    addLists(shared, lists, tile, dy + batch * rows, rows, int(min((long long)BATCH, g.m - batch)));
    write<NONLINEARITY>(g, shared, tile, batch);
  }
};

// A thread makes 32 bytes: 16 rows of an entry; neighbours make neighbouring entries, which lie near each other. Entries that fill
// up become 0; rows of a list are fanIn apart.
extern "C" __global__ void group_scatter_wgmma_pack_bf16(const bf16* values, const int* sources, bf16* packed, long long entries,
                                                         int fanIn) {
  constexpr int ROWS = GroupScatterWgmma::ROWS, PARTS = ROWS / 16;
  sliced::forAll(entries * PARTS, [&](long long i) {
    long long entry = i % entries;
    int row = int(i / entries) * 16, source = sources[entry];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      Pack<bf16> pack;
#pragma unroll
      for (int k = 0; k < 8; k++)
        pack.at[k] = source < 0 ? fromFloat<bf16>(0.0f) : values[source + (long long)(row + 8 * half + k) * fanIn];
      storePack(packed + entry * ROWS + row + 8 * half, pack);
    }
  });
}

extern "C" __global__ void __launch_bounds__(GroupScatterWgmma::THREADS, 1)
    group_scatter_wgmma_nn_bf16(GemmArguments g, const bf16* dy, const int* starts, const unsigned short* columns, const bf16* packed,
                                int lists, int tiles) {
  GroupScatterWgmma::run<GEMM_SLOPE>(g, dy, {starts, columns, packed, lists, tiles});
}
