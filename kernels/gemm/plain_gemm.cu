// Matrix products of any size, stride and alignment in fp32 arithmetic, without tensor cores: C = epilogue(A·B), dense and
// grouped, in the forms of mma_gemm.cu. For what its alignment rules out, and for products whose fp32 operand counts.
//
//   plain_gemm_nt_bf16_bf16_bf16    y = x·wᵀ                       plain_gemm_nt_bf16_f32_f32   a router's logits
//   plain_gemm_nn_bf16_bf16_bf16    dx = dy·w                      plain_gemm_nn_f32_f32_bf16   a router's dx
//   plain_gemm_tn_bf16_bf16_f32     dw = dyᵀ·x                     plain_gemm_tn_f32_bf16_f32   a router's dw
//   plain_grouped_gemm_nt_.., _nn_..   ragged rows
//   plain_grouped_gemm_tn_..           ragged depth, or the depth cut into equal parts
// The grouped ones of nt and tn gather where g.rows is given.
//
// Names end in the element types of A, B and C; see GemmArguments. Grid: any number of blocks, which walk over the tiles;
// as many as fit the device at once is best. Block: PlainConfig::THREADS = 128. No dynamic shared memory.
//
// A block's tile of C is 128x64, or 64x128 for tn; a thread sums 8x8 of it in registers. Tiles of A and B lie in shared
// memory as fp32, depth by depth, in two stages: while one is multiplied, the next is on its way through registers.
// Elements are summed one by one, in the order of the depth.
#include "gemm/gemm.cuh"

template <int ROWS_, int COLUMNS_>
struct PlainConfig {
  static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, DEPTH = 16;
  static constexpr int ACROSS = COLUMNS / 8, THREADS = ROWS / 8 * ACROSS;  // a thread sums 8 by 8
};

using Tall = PlainConfig<128, 64>;  // many tokens, few columns
using Flat = PlainConfig<64, 128>;  // few experts, many columns

// Four neighbouring elements as they lie in memory: not yet converted, so that nothing waits for them before they are
// stored.
template <class T>
struct Four {
  unsigned words[sizeof(T)] = {};

  // left elements exist and the rest is 0; wide says that four that exist may be loaded at once.
  __device__ __forceinline__ void load(const T* p, int left, bool wide) {
    if (wide && left >= 4) {
      using Words = std::conditional_t<sizeof(T) == 2, uint2, uint4>;
      Words all = loadVector<Words>(p);
      memcpy(words, &all, sizeof all);
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (i >= left) break;
      if constexpr (sizeof(T) == 4) words[i] = reinterpret_cast<const unsigned*>(p)[i];
      else words[i / 2] |= unsigned(reinterpret_cast<const unsigned short*>(p)[i]) << i % 2 * 16;
    }
  }

  __device__ __forceinline__ float at(int i) const {
    if constexpr (sizeof(T) == 4) return __uint_as_float(words[i]);
    else return __uint_as_float(i % 2 == 0 ? words[i / 2] << 16 : words[i / 2] & 0xffff0000u);
  }
};

// One operand's tile: EDGE rows (of A) or columns (of B) by DEPTH, row d of shared memory holding step d of the depth.
template <class T, int EDGE, int DEPTH, int THREADS, bool DEPTH_CONTIGUOUS, bool COLUMNS>
struct PlainTile {
  static constexpr int STRIDE = EDGE + 4;  // floats; keeps 16-byte alignment and moves rows 4 banks apart
  static constexpr int FLOATS = DEPTH * STRIDE;
  static constexpr int CHUNKS = (DEPTH_CONTIGUOUS ? DEPTH : EDGE) / 4;  // of a stored row
  static constexpr int COUNT = EDGE * DEPTH / 4 / THREADS;              // chunks of a thread, one below the other
  static constexpr int APART = THREADS / CHUNKS;                        // stored rows from one to the next
  static_assert(THREADS % CHUNKS == 0 && EDGE * DEPTH / 4 % THREADS == 0, "a thread keeps to one column of chunks");
  using Staged = Four<T>[COUNT];

  __device__ __forceinline__ static int row() { return int(threadIdx.x) / CHUNKS; }
  __device__ __forceinline__ static int column() { return int(threadIdx.x) % CHUNKS * 4; }

  // Where an element of the edge lies. A thread reads eight neighbours by fours: those of columns lie half a tile apart,
  // so that the fours of eight threads are neighbours and fall into different banks. Those of rows are the same for all
  // eight.
  __device__ __forceinline__ static int place(int edge) {
    return COLUMNS ? edge / 8 * 4 + edge % 4 + edge / 4 % 2 * (EDGE / 2) : edge;
  }

  // The thread's chunks of a tile that starts at from, edge by depth elements of which exist; the others are not read. Where
  // index is given, the tile's row r is row index[r] from there.
  __device__ __forceinline__ static void load(Staged& staged, const T* from, long long stride, const int* index, int edge,
                                              int depth, bool wide) {
    int rows = (DEPTH_CONTIGUOUS ? edge : depth) - row(), columns = (DEPTH_CONTIGUOUS ? depth : edge) - column();
    from += column();
    const T* lying = from + row() * stride;
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      staged[i] = {};
      if (i * APART >= rows) continue;
      const T* at = index == nullptr ? lying + i * APART * stride : from + index[row() + i * APART] * stride;
      staged[i].load(at, columns, wide);
    }
  }

  __device__ __forceinline__ static void store(float* tile, const Staged& staged) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      int r = row() + i * APART;
      if constexpr (DEPTH_CONTIGUOUS) {
#pragma unroll
        for (int j = 0; j < 4; j++) tile[(column() + j) * STRIDE + place(r)] = staged[i].at(j);
      } else {
        storeVector(tile + r * STRIDE + place(column()),
                    make_float4(staged[i].at(0), staged[i].at(1), staged[i].at(2), staged[i].at(3)));
      }
    }
  }

  // Eight neighbours from edge on, of one step of the depth.
  __device__ __forceinline__ static void read(float (&eight)[8], const float* tile, int depth, int edge) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float4 four = loadVector<float4>(tile + depth * STRIDE + place(edge + 4 * half));
      eight[4 * half] = four.x;
      eight[4 * half + 1] = four.y;
      eight[4 * half + 2] = four.z;
      eight[4 * half + 3] = four.w;
    }
  }
};

template <class Config, class TA, class TB, bool A_DEPTH_CONTIGUOUS, bool B_DEPTH_CONTIGUOUS>
struct PlainGemm {
  using A = PlainTile<TA, Config::ROWS, Config::DEPTH, Config::THREADS, A_DEPTH_CONTIGUOUS, false>;
  using B = PlainTile<TB, Config::COLUMNS, Config::DEPTH, Config::THREADS, B_DEPTH_CONTIGUOUS, true>;
  static constexpr int STAGE_FLOATS = A::FLOATS + B::FLOATS;
  static constexpr bool BF16 = sizeof(TA) == 2 && sizeof(TB) == 2;
  static constexpr GemmNonlinearity NONLINEARITY =
      BF16 ? nonlinearityOf(A_DEPTH_CONTIGUOUS, B_DEPTH_CONTIGUOUS) : GEMM_LINEAR;
  using Sums = float[8][8];

  // Where a task's operands start, and how they may be read.
  struct Operands {
    const TA* a;
    const TB* b;
    const int* rowsA;  // null: as they lie
    const int* rowsB;
    bool wideA, wideB;

    __device__ __forceinline__ Operands(const GemmArguments& g, const GemmTask& task) {
      rowsA = A_DEPTH_CONTIGUOUS && g.rows != nullptr ? g.rows + task.row : nullptr;
      rowsB = !A_DEPTH_CONTIGUOUS && g.rows != nullptr ? g.rows + task.first : nullptr;
      long long firstA = rowsA != nullptr ? 0 : A_DEPTH_CONTIGUOUS ? task.row : task.first;
      long long firstB = rowsB != nullptr ? 0 : B_DEPTH_CONTIGUOUS ? task.column : task.first;
      a = reinterpret_cast<const TA*>(g.a) + firstA * g.strideA + (A_DEPTH_CONTIGUOUS ? task.first : task.row);
      b = reinterpret_cast<const TB*>(g.b) + task.group * g.groupStrideB;
      b += firstB * g.strideB + (B_DEPTH_CONTIGUOUS ? task.first : task.column);
      wideA = reinterpret_cast<uintptr_t>(a) % (4 * sizeof(TA)) == 0 && g.strideA % 4 == 0;
      wideB = reinterpret_cast<uintptr_t>(b) % (4 * sizeof(TB)) == 0 && g.strideB % 4 == 0;
    }
  };

  __device__ __forceinline__ static void load(const GemmArguments& g, const GemmTask& task, const Operands& from,
                                              int at, typename A::Staged& a, typename B::Staged& b) {
    int rows = int(min(task.rows, (long long)Config::ROWS)), left = int(task.depth) - at;
    A::load(a, from.a + (A_DEPTH_CONTIGUOUS ? at : at * g.strideA), g.strideA, from.rowsA, rows, left, from.wideA);
    const int* rowsB = from.rowsB != nullptr ? from.rowsB + at : nullptr;
    const TB* first = from.b + (B_DEPTH_CONTIGUOUS ? at : rowsB != nullptr ? 0 : at * g.strideB);
    B::load(b, first, g.strideB, rowsB, g.n - task.column, left, from.wideB);
  }

  __device__ __forceinline__ static void multiply(const float* stage, int row, int column, Sums& sums) {
#pragma unroll
    for (int depth = 0; depth < Config::DEPTH; depth++) {
      float a[8], b[8];
      A::read(a, stage, depth, row);
      B::read(b, stage + A::FLOATS, depth, column);
#pragma unroll
      for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) sums[i][j] = fmaf(a[i], b[j], sums[i][j]);
    }
  }

  __device__ __forceinline__ static void sum(const GemmArguments& g, const GemmTask& task, float* shared, int row,
                                             int column, Sums& sums) {
    Operands from(g, task);
    typename A::Staged a;
    typename B::Staged b;
    int steps = int((task.depth + Config::DEPTH - 1) / Config::DEPTH);
    for (int step = 0; step <= steps; step++) {
      if (step < steps) load(g, task, from, step * Config::DEPTH, a, b);
      if (step > 0) multiply(shared + (step - 1) % 2 * STAGE_FLOATS, row, column, sums);
      if (step < steps) {
        float* stage = shared + step % 2 * STAGE_FLOATS;
        A::store(stage, a);
        B::store(stage + A::FLOATS, b);
      }
      // This stage is whole, and all are done with the other, which is filled next, by this task or the one after.
      __syncthreads();
    }
  }

  template <class Out>
  __device__ __forceinline__ static void epilogue(const GemmArguments& g, const GemmTask& task, int row, int column,
                                                  const Sums& sums) {
    int left = g.n - task.column - column;
    if (left <= 0) return;
    Out* c = static_cast<Out*>(g.c) + task.group * g.groupStrideC;
    bool wide = left >= 8 && g.strideC % 8 == 0 && isAligned16(c) && isAligned16(g.residual) &&
                isAligned16(g.preactivation);
#pragma unroll
    for (int i = 0; i < 8; i++)
      if (row + i < task.rows)
        writeOut<NONLINEARITY>(g, c, sums[i], task.row + row + i, task.column + column, left < 8 ? left : 8, wide);
  }

  template <GemmForm FORM, class Out>
  __device__ __forceinline__ static void run(const GemmArguments& g) {
    __shared__ __align__(16) float shared[2 * STAGE_FLOATS];
    int row = threadIdx.x / Config::ACROSS * 8, column = threadIdx.x % Config::ACROSS * 8;
    GemmTasks<FORM, Config::ROWS, Config::COLUMNS> tasks(g);
    GemmTask task;
    for (long long number = blockIdx.x; tasks.find(number, task); number += gridDim.x) {
      Sums sums = {};
      sum(g, task, shared, row, column, sums);
      epilogue<Out>(g, task, row, column, sums);
    }
  }
};

// Entries: name, form, whether the depth is contiguous in A and in B, tile, types of A, B and C.
#define PLAIN_ENTRY(name, form, aContiguous, bContiguous, config, a, b, c)                  \
  extern "C" __global__ void __launch_bounds__(config::THREADS) plain_##name(GemmArguments g) { \
    PlainGemm<config, a, b, aContiguous, bContiguous>::template run<form, c>(g);            \
  }

PLAIN_ENTRY(gemm_nt_bf16_bf16_bf16, GEMM_DENSE, true, true, Tall, bf16, bf16, bf16)
PLAIN_ENTRY(gemm_nt_bf16_f32_f32, GEMM_DENSE, true, true, Tall, bf16, float, float)
PLAIN_ENTRY(gemm_nn_bf16_bf16_bf16, GEMM_DENSE, true, false, Tall, bf16, bf16, bf16)
PLAIN_ENTRY(gemm_nn_f32_f32_bf16, GEMM_DENSE, true, false, Tall, float, float, bf16)
PLAIN_ENTRY(gemm_tn_bf16_bf16_f32, GEMM_DENSE, false, false, Flat, bf16, bf16, float)
PLAIN_ENTRY(gemm_tn_f32_bf16_f32, GEMM_DENSE, false, false, Flat, float, bf16, float)
PLAIN_ENTRY(grouped_gemm_nt_bf16_bf16_bf16, GEMM_RAGGED_ROWS, true, true, Tall, bf16, bf16, bf16)
PLAIN_ENTRY(grouped_gemm_nn_bf16_bf16_bf16, GEMM_RAGGED_ROWS, true, false, Tall, bf16, bf16, bf16)
PLAIN_ENTRY(grouped_gemm_tn_bf16_bf16_f32, GEMM_RAGGED_DEPTH, false, false, Flat, bf16, bf16, float)
PLAIN_ENTRY(grouped_gemm_tn_f32_bf16_f32, GEMM_RAGGED_DEPTH, false, false, Flat, float, bf16, float)
