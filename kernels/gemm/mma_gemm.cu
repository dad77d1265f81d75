// Matrix products in bf16 with fp32 accumulation on mma.sync, sm_80 and up: C = epilogue(A·B), dense and grouped.
//
//   gemm_nt  y = x·wᵀ       x (m, k), w (n, k)      forward of a layer
//   gemm_nn  dx = dy·w      dy (m, k), w (k, n)     gradient of its input
//   gemm_tn  dw = dyᵀ·x     dy (k, m), x (k, n)     gradient of its weight
//   grouped_gemm_nt, _nn    ragged rows; grouped_gemm_tn ragged depth; see GemmArguments (Gale et al. 2022, §5.1)
//   gathered_gemm_nt, _tn   the same two, with rows of x by an index
//
// Names end in the element type of C and the tile: rows x columns x depth. Grid: any number of blocks, which walk over the
// tiles; as many as fit the device at once is best. Block: Config::THREADS. Dynamic shared memory: Config::SHARED_BYTES.
//
// A block's tile of C lives in registers; tiles of A and B come through a ring of shared-memory stages by cp.async, STAGES
// - 1 ahead of the arithmetic. On its way out a tile passes through shared memory, so that C, the residual and the
// preactivation are moved in whole rows of 16 bytes.
#include <type_traits>

#include "gemm/mma_product.cuh"

using Large = GemmConfig<128, 128, 32, 64, 32, 4>;
using Small = GemmConfig<64, 64, 32, 32, 32, 4>;

// GATHERED: rows of x, which is A of nt and B of tn, are found by g.rows.
template <class Config, bool A_DEPTH_CONTIGUOUS, bool B_DEPTH_CONTIGUOUS, bool GATHERED = false>
struct MmaGemm {
  using Product = MmaProduct<Config, A_DEPTH_CONTIGUOUS, B_DEPTH_CONTIGUOUS>;
  using A = typename Product::A;
  using B = typename Product::B;
  using Sums = typename Product::Sums;
  static constexpr GemmNonlinearity NONLINEARITY = nonlinearityOf(A_DEPTH_CONTIGUOUS, B_DEPTH_CONTIGUOUS);
  static constexpr bool GATHERED_A = GATHERED && A_DEPTH_CONTIGUOUS, GATHERED_B = GATHERED && !A_DEPTH_CONTIGUOUS;
  using Rows = typename std::conditional_t<GATHERED_A, A, B>::template GatheredRows<Config::THREADS>;

  // The rows of x for the first step: A's are those of all steps.
  __device__ static void findFirst(const GemmArguments& g, const GemmTask& task, Rows& rows) {
    if constexpr (GATHERED_A) rows.find(g.rows + task.row, task.rows);
    if constexpr (GATHERED_B) rows.find(g.rows + task.first, task.depth);
  }

  // Starts copying step number step of the task's depth into its stage. Steps come in order: B's rows of the next one are
  // looked up here, so that their numbers arrive while the stage is multiplied.
  __device__ static void fetch(const GemmArguments& g, const GemmTask& task, long long step, bf16* shared, Rows& rows) {
    long long from = step * Config::DEPTH, left = task.depth - from, at = task.first + from;
    bf16* stage = shared + step % Config::STAGES * Config::STAGE_ELEMENTS;
    if constexpr (GATHERED_A) {
      rows.load(stage, g.a + at, g.strideA, left);
    } else {
      const bf16* a = g.a + (A_DEPTH_CONTIGUOUS ? task.row * g.strideA + at : at * g.strideA + task.row);
      A::template load<Config::THREADS>(stage, a, g.strideA, task.rows, left);
    }
    if constexpr (GATHERED_B) {
      rows.load(stage + A::ELEMENTS, g.b + task.column, g.strideB, g.n - task.column);
      rows.find(g.rows + at + Config::DEPTH, left - Config::DEPTH);
    } else {
      const bf16* b = g.b + task.group * g.groupStrideB;
      b += B_DEPTH_CONTIGUOUS ? task.column * g.strideB + at : at * g.strideB + task.column;
      B::template load<Config::THREADS>(stage + A::ELEMENTS, b, g.strideB, g.n - task.column, left);
    }
  }

  __device__ static void sum(const GemmArguments& g, const GemmTask& task, bf16* shared, int warpRow, int warpColumn,
                             Sums& sums) {
    Rows rows;
    findFirst(g, task, rows);
    throughStages<Config>(
        task.depth, [&](long long step) { fetch(g, task, step, shared, rows); },
        [&](long long step) {
          Product::multiply(shared + step % Config::STAGES * Config::STAGE_ELEMENTS, warpRow, warpColumn, sums);
        });
  }

  template <GemmForm FORM, class Out>
  __device__ static void run(const GemmArguments& g) {
    SPARROW_DYNAMIC_SHARED(unsigned char, shared);
    int warpRow = Product::warpRow(), warpColumn = Product::warpColumn();
    GemmTasks<FORM, Config::ROWS, Config::COLUMNS> tasks(g);
    GemmTask task;
    for (long long number = blockIdx.x; tasks.find(number, task); number += gridDim.x) {
      Sums sums = {};
      sum(g, task, reinterpret_cast<bf16*>(shared), warpRow, warpColumn, sums);
      // Ragged depth: C's rows are the group's own.
      writeTile<Config, Out, NONLINEARITY>(g, task, reinterpret_cast<float*>(shared), warpRow, warpColumn, sums);
    }
  }
};

// Entries: name, form, product, type of C, tile.
#define GEMM_ENTRY(name, form, product, out, outName, config, tile)                                            \
  extern "C" __global__ void __launch_bounds__(config::THREADS) name##_##outName##_##tile(GemmArguments g) {   \
    product::template run<form, out>(g);                                                                       \
  }
#define GEMM_TILES(name, form, product, out, outName)                             \
  GEMM_ENTRY(name, form, product<Large>, out, outName, Large, 128x128x32)         \
  GEMM_ENTRY(name, form, product<Small>, out, outName, Small, 64x64x32)

template <class Config> using Forward = MmaGemm<Config, true, true>;
template <class Config> using InputGradient = MmaGemm<Config, true, false>;
template <class Config> using WeightGradient = MmaGemm<Config, false, false>;
template <class Config> using GatheredForward = MmaGemm<Config, true, true, true>;
template <class Config> using GatheredWeightGradient = MmaGemm<Config, false, false, true>;

GEMM_TILES(gemm_nt, GEMM_DENSE, Forward, bf16, bf16)
GEMM_TILES(gemm_nn, GEMM_DENSE, InputGradient, bf16, bf16)
GEMM_TILES(gemm_tn, GEMM_DENSE, WeightGradient, float, f32)
GEMM_TILES(grouped_gemm_nt, GEMM_RAGGED_ROWS, Forward, bf16, bf16)
GEMM_TILES(grouped_gemm_nn, GEMM_RAGGED_ROWS, InputGradient, bf16, bf16)
GEMM_TILES(grouped_gemm_tn, GEMM_RAGGED_DEPTH, WeightGradient, float, f32)
GEMM_TILES(gathered_gemm_nt, GEMM_RAGGED_ROWS, GatheredForward, bf16, bf16)
GEMM_TILES(gathered_gemm_tn, GEMM_RAGGED_DEPTH, GatheredWeightGradient, float, f32)
