// Products around a weight whose rows share their columns in large groups, on mma.sync, sm_80 and up: of each group a dense product
// with what its columns gather.
//
//   group_gemm_nt    y_g = epilogue(x_g·V_gᵀ)   V_g (groupRows, fanIn) the group's values, x_g (batch, fanIn) its columns of x
//   group_gemm_tn    dV_g += dy_gᵀ·x_g          dy_g (batch, groupRows) the group's columns of dy
//   pad_rows         values in rows of a multiple of 8, zero behind fanIn, where theirs is none
//
// x_g is never made: its columns are rows of xᵀ (transpose_bf16), which cp.async brings by the group's list of columns, as
// gemm/mma_gemm.cu brings rows by an index. Arguments are GemmArguments: a = xt with strideA its stride, b = values with strideB
// theirs, k = fanIn, n = rows of the weight; of tn a = dy with strideA the rows of the weight, b = xt, c = dvalues in fp32. indices
// (live groups, fanIn), liveOf (groups) which of the live ones a group is, or -1: such rows of y are an epilogue of zeros, and
// dvalues have none.
//
// Limits: per multiprocessor and clock mma.sync does about 1300 FMA, and the second-level cache gives about 24 bytes. A tile of R
// rows of the group by N of the batch reads 2·(R + N) bytes for each R·N FMA, whatever the density: at 64x256 25.6 FMA a byte, 614
// FMA a clock, which is 284 TFLOP/s of non-zeros on an H100 (132 multiprocessors of 1.755 GHz), 1.6 times a dense product of 700
// TFLOP/s at 75 % zero and 4 times at 90 %, before the transposing counts. At 16x256 it is 7.5 FMA a byte, 83 TFLOP/s: forward has
// group_spmm.cu for such groups.
//
// Launch contract: any number of blocks, which walk over the tiles; Config::THREADS, Config::SHARED_BYTES. Aligned as GemmArguments
// asks; groupRows is a multiple of 8.
#include "gemm/mma_product.cuh"
#include "sparse/groups.cuh"

namespace group {

// Config's rows are elements of the batch, its columns rows of the group.
template <class Config>
struct Forward {
  using Product = MmaProduct<Config, false, true>;
  using A = typename Product::A;
  using B = typename Product::B;
  using Sums = typename Product::Sums;
  using Gathered = typename A::template GatheredRows<Config::THREADS>;

  __device__ static void sum(const GemmArguments& g, const GemmTask& task, const int* columns, const bf16* values, int valueRows,
                             bf16* shared, int warpRow, int warpColumn, Sums& sums) {
    Gathered rows;
    rows.find(columns, task.depth);
    auto fetch = [&](long long step) {
      long long from = step * Config::DEPTH;
      bf16* stage = shared + step % Config::STAGES * Config::STAGE_ELEMENTS;
      rows.load(stage, g.a + task.row, g.strideA, g.strideA - task.row);
      rows.find(columns + from + Config::DEPTH, task.depth - from - Config::DEPTH);
      B::template load<Config::THREADS>(stage + A::ELEMENTS, values + from, g.strideB, valueRows, g.strideB - from);
    };
    throughStages<Config>(task.depth, fetch, [&](long long step) {
      Product::multiply(shared + step % Config::STAGES * Config::STAGE_ELEMENTS, warpRow, warpColumn, sums);
    });
  }

  __device__ static void run(const GemmArguments& g, const Groups& groups) {
    SPARROW_DYNAMIC_SHARED(unsigned char, shared);
    int warpRow = Product::warpRow(), warpColumn = Product::warpColumn();
    int parts = (groups.groupRows + Config::COLUMNS - 1) / Config::COLUMNS;
    long long perBatchTile = (long long)groups.count * parts, tiles = (g.m + Config::ROWS - 1) / Config::ROWS * perBatchTile;
    // Tiles of the same part of the batch follow each other, so that its xᵀ comes from the second-level cache.
    for (long long number = blockIdx.x; number < tiles; number += gridDim.x) {
      int within = int(number % perBatchTile), part = within % parts * Config::COLUMNS, live = groups.liveOf[within / parts];
      int rows = min(Config::COLUMNS, groups.groupRows - part);
      GemmTask task = {};
      task.row = number / perBatchTile * Config::ROWS;
      task.rows = g.m - task.row;
      task.column = within / parts * groups.groupRows + part;
      task.depth = live < 0 ? 0 : g.k;
      Sums sums = {};
      long long group = live < 0 ? 0 : live;
      sum(g, task, groups.indices + group * g.k, g.b + (group * groups.groupRows + part) * g.strideB, rows,
          reinterpret_cast<bf16*>(shared), warpRow, warpColumn, sums);
      GemmArguments of = g;
      of.n = task.column + rows;  // the next group's rows are not this one's to write
      writeTile<Config, bf16, GEMM_VALUE>(of, task, reinterpret_cast<float*>(shared), warpRow, warpColumn, sums);
    }
  }
};

// Config's rows are rows of the group, its columns the group's columns of x.
template <class Config>
struct WeightGradient {
  using Product = MmaProduct<Config, false, true>;
  using A = typename Product::A;
  using B = typename Product::B;
  using Sums = typename Product::Sums;

  __device__ static void run(const GemmArguments& g, const Groups& groups) {
    SPARROW_DYNAMIC_SHARED(unsigned char, shared);
    bf16* stages = reinterpret_cast<bf16*>(shared);
    int warpRow = Product::warpRow(), warpColumn = Product::warpColumn();
    int down = (groups.groupRows + Config::ROWS - 1) / Config::ROWS, across = (g.n + Config::COLUMNS - 1) / Config::COLUMNS;
    long long tiles = (long long)groups.count * down * across;
    for (long long number = blockIdx.x; number < tiles; number += gridDim.x) {
      int group = int(number / (down * across)), live = groups.liveOf[group];
      if (live < 0) continue;
      GemmTask task = {};
      task.row = number / across % down * Config::ROWS;
      task.rows = groups.groupRows - task.row;
      task.column = int(number % across) * Config::COLUMNS;
      typename B::template GatheredRows<Config::THREADS> rows;
      rows.find(groups.indices + (long long)live * g.n + task.column, g.n - task.column);
      const bf16* dy = g.a + group * groups.groupRows + task.row;
      Sums sums = {};
      auto fetch = [&](long long step) {
        long long from = step * Config::DEPTH;
        bf16* stage = stages + step % Config::STAGES * Config::STAGE_ELEMENTS;
        A::template load<Config::THREADS>(stage, dy + from * g.strideA, g.strideA, task.rows, g.k - from);
        rows.load(stage + A::ELEMENTS, g.b + from, g.strideB, g.strideB - from);
      };
      throughStages<Config>(g.k, fetch, [&](long long step) {
        Product::multiply(stages + step % Config::STAGES * Config::STAGE_ELEMENTS, warpRow, warpColumn, sums);
      });
      GemmArguments of = g;
      of.c = static_cast<float*>(g.c) + (long long)live * groups.groupRows * g.n;
      writeTile<Config, float>(of, task, reinterpret_cast<float*>(shared), warpRow, warpColumn, sums);
    }
  }
};

}  // namespace group

// values (rows, fanIn) in rows of stride elements, zero behind fanIn; one-dimensional grid and block of any size.
extern "C" __global__ void pad_rows_bf16(const bf16* values, bf16* padded, long long rows, int fanIn, int stride) {
  long long threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < rows * stride; i += threads) {
    long long row = i / stride, column = i % stride;
    padded[i] = column < fanIn ? values[row * fanIn + column] : fromFloat<bf16>(0.0f);
  }
}

// Entries: name with the tile, rows x columns; product; blocks that a multiprocessor holds.
#define GROUP_ENTRY(name, product, config, blocks)                                               \
  extern "C" __global__ void __launch_bounds__(config::THREADS, blocks)                          \
      name(GemmArguments g, const int* indices, const int* liveOf, int groupRows, int count) {   \
    group::product<config>::run(g, {indices, liveOf, groupRows, count});                         \
  }

using GroupForwardLarge = GemmConfig<256, 64, 32, 64, 32, 4>;
using GroupForwardSmall = GemmConfig<64, 64, 32, 32, 32, 4>;
using GroupGradientLarge = GemmConfig<64, 256, 32, 32, 64, 4>;
using GroupGradientNarrow = GemmConfig<16, 256, 32, 16, 32, 4>;

GROUP_ENTRY(group_gemm_nt_bf16_256x64, Forward, GroupForwardLarge, 2)
GROUP_ENTRY(group_gemm_nt_bf16_64x64, Forward, GroupForwardSmall, 2)
GROUP_ENTRY(group_gemm_tn_f32_64x256, WeightGradient, GroupGradientLarge, 1)
GROUP_ENTRY(group_gemm_tn_f32_16x256, WeightGradient, GroupGradientNarrow, 2)
