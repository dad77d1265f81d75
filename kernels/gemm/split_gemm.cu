// Products with fp32 operands on tensor cores, for routers: an fp32 number is the sum of three bf16 ones, so that products
// of bf16 with fp32 accumulation give what fp32 arithmetic would. mma.sync, sm_80 and up.
//
//   w = w0 + w1 + w2,  w0 = bf16(w),  w1 = bf16(w - w0),  w2 = bf16(w - w0 - w1);  exact: three times eight bits and signs
//
//   split_gemm_nt_bf16_f32_f32   logits = x·wᵀ      x (m, k) bf16, w (n, k) split              x·w0 + x·w1 + x·w2
//   split_gemm_tn_f32_bf16_f32   dw = dlogitsᵀ·x    dlogits (k, m) split, x (k, n) bf16        likewise
//   split_gemm_nn_f32_f32_bf16   dx = dlogits·w     dlogits (m, k), w (k, n), both split       d0·w0 + d0·w1 + d1·w0
//
// Of nn's nine products three are taken: what is left out is 2^-16 of each term, and dx is rounded to bf16, to 2^-9. Such
// sums: Dekker 1971; on tensor cores, Markidis et al. 2018, §5.
//
// Tensor cores cut off what they add instead of rounding it (Fasi et al. 2021, "Numerical behavior of NVIDIA tensor
// cores"). So that this bias does not grow with the depth, they add up one stage, 32 steps, from zero, the small parts
// first; the stages' sums are added in fp32, rounded to nearest. Simulated over a depth of 4096, against a chain of fp32
// multiply-adds, the error is 16 times as large without stages and a fifth with them. nn, whose depth is the number of
// experts, goes without.
//
// split_f32_bf16 writes the parts of x (rows, columns): (3, rows, stride), stride a multiple of 8 from columns on, zeros
// behind a row's last column. A split operand's a or b is its first part, strideA or strideB that stride, and the parts
// follow each other as they were written: their rows are n for nt's b, m for nn's a, k for the others. A finite number
// that rounds to infinity counts as infinite; an infinite x gives NaN.
//
// For the rest see GemmArguments; the bf16 operand is aligned as for mma_gemm.cu, and plain_gemm.cu takes what is not. tn
// cuts the depth into g.groups parts, as the ragged form without offsets does, 1 for none: dw is small, and a tile each
// would leave most of a device idle.
//
// Launch contract. split_f32_bf16: one-dimensional grid and block of any size; parts 16-byte aligned. The products: names
// end in the tile, rows x columns x depth. Grid: any number of blocks, which walk over the tiles; as many as fit the device
// at once is best. Block and dynamic shared memory: THREADS and SHARED_BYTES of the aliases below, that is
//   nt 256x64x32   256 threads, 143360 bytes        tn 64x256x32    256 threads, 143360 bytes
//   nt 128x64x32   128 threads, 81920 bytes         nn 128x128x32   128 threads, 98304 bytes
#include "common/chunk.cuh"
#include "gemm/mma_tile.cuh"
#include "ptx/mma.cuh"
#include "tile/operand_tile.cuh"

namespace split {

constexpr int PARTS = 3;

// x's parts, the largest first.
__device__ __forceinline__ void partsOf(float x, float (&parts)[PARTS]) {
#pragma unroll
  for (int i = 0; i < PARTS; i++) {
    parts[i] = toFloat(fromFloat<bf16>(x));
    x = parts[i] - parts[i] == 0.0f ? x - parts[i] : 0.0f;  // nothing is left of infinity and NaN
  }
}

// Eight columns of a row from column on, of which some may not exist.
__device__ __forceinline__ Chunk<8> loadColumns(const float* row, int column, int columns, bool wide) {
  if (wide) return loadChunk<8>(row + column);
  Chunk<8> chunk;
#pragma unroll
  for (int i = 0; i < 8; i++) chunk.at[i] = column + i < columns ? row[column + i] : 0.0f;
  return chunk;
}

__device__ __forceinline__ void splitRows(const float* x, bf16* parts, long long rows, int columns, int stride) {
  int perRow = stride / 8;
  bool wide = columns % 8 == 0 && stride == columns && isAligned16(x);
  long long chunks = rows * perRow, threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < chunks; i += threads) {
    auto chunk = loadColumns(x + i / perRow * columns, int(i % perRow) * 8, columns, wide);
    Chunk<8> out[PARTS];
#pragma unroll
    for (int j = 0; j < 8; j++) {
      float each[PARTS];
      partsOf(chunk.at[j], each);
#pragma unroll
      for (int part = 0; part < PARTS; part++) out[part].at[j] = each[part];
    }
#pragma unroll
    for (int part = 0; part < PARTS; part++) storeChunk<8>(parts + (part * chunks + i) * 8, out[part]);
  }
}

// The product of A_PARTS and B_PARTS parts whose numbers add up to less than TERMS. STAGED: stages are summed apart.
template <class Config, int A_PARTS, int B_PARTS, int TERMS, bool STAGED, bool A_DEPTH_CONTIGUOUS,
          bool B_DEPTH_CONTIGUOUS>
struct SplitGemm {
  using A = OperandTile<Config::ROWS, Config::DEPTH, A_DEPTH_CONTIGUOUS>;
  using B = OperandTile<Config::COLUMNS, Config::DEPTH, B_DEPTH_CONTIGUOUS>;
  static constexpr int THREADS = Config::THREADS;
  static constexpr int STAGE_ELEMENTS = A_PARTS * A::ELEMENTS + B_PARTS * B::ELEMENTS;
  static constexpr int STAGES_BYTES = Config::STAGES * STAGE_ELEMENTS * 2;
  static constexpr int SHARED_BYTES = STAGES_BYTES > Config::OUT_BYTES ? STAGES_BYTES : Config::OUT_BYTES;
  static constexpr int MI = Config::WARP_ROWS / 16, NI = Config::WARP_COLUMNS / 8;
  using Sums = float[MI][NI][4];

  __device__ static bf16* stageOf(bf16* shared, long long step) {
    return shared + step % Config::STAGES * STAGE_ELEMENTS;
  }

  __device__ static void fetch(const GemmArguments& g, const GemmTask& task, long long step, bf16* stage) {
    long long from = step * Config::DEPTH, left = task.depth - from, at = task.first + from;
    const bf16* a = g.a + (A_DEPTH_CONTIGUOUS ? task.row * g.strideA + at : at * g.strideA + task.row);
    const bf16* b = g.b + (B_DEPTH_CONTIGUOUS ? task.column * g.strideB + at : at * g.strideB + task.column);
    long long partA = (A_DEPTH_CONTIGUOUS ? g.m : g.k) * g.strideA;
    long long partB = (B_DEPTH_CONTIGUOUS ? g.n : g.k) * g.strideB;
    // Not unrolled: the addresses of all parts at once would not fit in registers.
#pragma unroll 1
    for (int part = 0; part < A_PARTS; part++)
      A::template load<THREADS>(stage + part * A::ELEMENTS, a + part * partA, g.strideA, task.rows, left);
#pragma unroll 1
    for (int part = 0; part < B_PARTS; part++)
      B::template load<THREADS>(stage + A_PARTS * A::ELEMENTS + part * B::ELEMENTS, b + part * partB, g.strideB,
                                g.n - task.column, left);
  }

  // sums = a·b + before, or a·b where FRESH.
  template <bool FRESH>
  __device__ __forceinline__ static void product(const unsigned (&a)[MI][4], const unsigned (&b)[NI / 2][4],
                                                 Sums& sums) {
    const float zeros[4] = {0, 0, 0, 0};
#pragma unroll
    for (int i = 0; i < MI; i++)
#pragma unroll
      for (int j = 0; j < NI; j++) {
        const unsigned right[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
        if constexpr (FRESH) ptx::mma16816(sums[i][j], a[i], right, zeros);
        else ptx::mma16816(sums[i][j], a[i], right, sums[i][j]);
      }
  }

  __device__ __forceinline__ static void loadLeft(unsigned (&a)[MI][4], const bf16* stage, int part, int row,
                                                  int depth) {
#pragma unroll
    for (int i = 0; i < MI; i++) A::left(a[i], stage + part * A::ELEMENTS, row + 16 * i, depth);
  }

  __device__ __forceinline__ static void loadRight(unsigned (&b)[NI / 2][4], const bf16* stage, int part, int column,
                                                   int depth) {
#pragma unroll
    for (int j = 0; j < NI / 2; j++)
      B::right(b[j], stage + A_PARTS * A::ELEMENTS + part * B::ELEMENTS, column + 16 * j, depth);
  }

  // Adds 16 steps of a stage, the smallest terms first; FRESH: sums are assigned. Of several left parts one is held at a
  // time.
  template <bool FRESH>
  __device__ __forceinline__ static void multiplySteps(const bf16* stage, int depth, int warpRow, int warpColumn,
                                                       Sums& sums) {
    // The left part that the last right one meets first.
    constexpr int FIRST_A = TERMS - B_PARTS < A_PARTS ? TERMS - B_PARTS : A_PARTS - 1;
    unsigned a[MI][4], b[NI / 2][4];
    if (A_PARTS == 1) loadLeft(a, stage, 0, warpRow, depth);
#pragma unroll
    for (int right = B_PARTS - 1; right >= 0; right--) {
      loadRight(b, stage, right, warpColumn, depth);
#pragma unroll
      for (int left = A_PARTS - 1; left >= 0; left--) {
        if (left + right >= TERMS) continue;
        if (A_PARTS > 1) loadLeft(a, stage, left, warpRow, depth);
        if (FRESH && right == B_PARTS - 1 && left == FIRST_A) product<true>(a, b, sums);
        else product<false>(a, b, sums);
      }
    }
  }

  // Adds one stage's product to this warp's part of the tile.
  __device__ static void multiply(const bf16* stage, int warpRow, int warpColumn, Sums& sums) {
    if constexpr (!STAGED) {
#pragma unroll
      for (int depth = 0; depth < Config::DEPTH; depth += 16)
        multiplySteps<false>(stage, depth, warpRow, warpColumn, sums);
    } else {
      Sums own;
      multiplySteps<true>(stage, 0, warpRow, warpColumn, own);
#pragma unroll
      for (int depth = 16; depth < Config::DEPTH; depth += 16)
        multiplySteps<false>(stage, depth, warpRow, warpColumn, own);
#pragma unroll
      for (int i = 0; i < MI; i++)
#pragma unroll
        for (int j = 0; j < NI; j++)
#pragma unroll
          for (int k = 0; k < 4; k++) sums[i][j][k] += own[i][j][k];
    }
  }

  template <GemmForm FORM, class Out>
  __device__ static void run(const GemmArguments& g) {
    SPARROW_DYNAMIC_SHARED(bf16, shared);
    // The longer way of the tile goes over the four schedulers first: warps of an absent half then idle on each.
    constexpr bool TALL = Config::WARPS_DOWN >= Config::WARPS_ACROSS;
    int warp = threadIdx.x / 32;
    int warpRow = (TALL ? warp % Config::WARPS_DOWN : warp / Config::WARPS_ACROSS) * Config::WARP_ROWS;
    int warpColumn = (TALL ? warp / Config::WARPS_DOWN : warp % Config::WARPS_ACROSS) * Config::WARP_COLUMNS;
    GemmTasks<FORM, Config::ROWS, Config::COLUMNS> tasks(g);
    GemmTask task;
    for (long long number = blockIdx.x; tasks.find(number, task); number += gridDim.x) {
      Sums sums = {};
      bool exists = warpRow < task.rows && warpColumn < g.n - task.column;
      throughStages<Config>(
          task.depth, [&](long long step) { fetch(g, task, step, stageOf(shared, step)); },
          [&](long long step) {
            if (exists) multiply(stageOf(shared, step), warpRow, warpColumn, sums);
          });
      writeTile<Config, Out>(g, task, reinterpret_cast<float*>(shared), warpRow, warpColumn, sums);
    }
  }
};

// A stage holds 28, 20, 28 and 32 KB. Tall tiles read w less often, small ones fill the device with fewer tokens.
using TallLogits = SplitGemm<GemmConfig<256, 64, 32, 64, 32, 5>, 1, 3, 3, true, true, true>;
using SmallLogits = SplitGemm<GemmConfig<128, 64, 32, 64, 32, 4>, 1, 3, 3, true, true, true>;
using WeightGradient = SplitGemm<GemmConfig<64, 256, 32, 32, 64, 5>, 3, 1, 3, true, false, false>;
using InputGradient = SplitGemm<GemmConfig<128, 128, 32, 64, 64, 3>, 2, 2, 2, false, true, false>;

}  // namespace split

extern "C" __global__ void split_f32_bf16(const float* x, bf16* parts, long long rows, int columns, int stride) {
  split::splitRows(x, parts, rows, columns, stride);
}

#define SPLIT_ENTRY(name, form, out, product, blocks)                           \
  extern "C" __global__ void __launch_bounds__(split::product::THREADS, blocks) \
      split_gemm_##name(GemmArguments g) {                                      \
    split::product::template run<form, out>(g);                                 \
  }

SPLIT_ENTRY(nt_bf16_f32_f32_256x64x32, GEMM_DENSE, float, TallLogits, 1)
SPLIT_ENTRY(nt_bf16_f32_f32_128x64x32, GEMM_DENSE, float, SmallLogits, 2)
SPLIT_ENTRY(tn_f32_bf16_f32_64x256x32, GEMM_RAGGED_DEPTH, float, WeightGradient, 1)
SPLIT_ENTRY(nn_f32_f32_bf16_128x128x32, GEMM_DENSE, bf16, InputGradient, 2)
