// sparrow: sm_90a only, emulated
// The products of group_gemm.cu around a weight whose rows share their columns by 64 or a multiple, on wgmma for Hopper.
//
//   group_wgmma_nt    y_g = epilogue(x_g·V_gᵀ)
//
// Arguments are those of group_gemm_nt. It is y_gᵀ = V_g·x_gᵀ that is computed: 64 rows of values are the left operand, and the right
// one, 256 elements of the batch for a warpgroup, is made of rows of xᵀ that cp.async brings by the group's list of columns.
// Both lie in shared memory as OperandTile has them, which are wgmma's layouts: rows of 64 bytes swizzled by 64, depth contiguous,
// and blocks of 64 elements of the batch swizzled by 128, edge contiguous.
//
// Limits: per multiprocessor and clock wgmma does 2048 FMA; shared memory, written and read once a step, 1600; the second-level
// cache gives about 24 bytes. A tile of 64 rows by N of the batch reads 2·(64 + N) bytes for each 64·N FMA: at N = 512 28.4 FMA a
// byte, 683 FMA a clock, 316 TFLOP/s of non-zeros on an H100 (132 multiprocessors of 1.755 GHz), where group_gemm_nt's 64x256 is
// limited to 284 and its mma.sync to 1300 FMA a clock. No N passes 32 FMA a byte, 356 TFLOP/s: every element of x that arrives
// is used by 64 rows. What wgmma adds is that little else is left to do but wait for those bytes: no fragments are loaded, and
// five of six stages are on their way.
//
// Launch contract: any number of blocks, which walk over the tiles; GroupWgmma::THREADS, GroupWgmma::SHARED_BYTES. Aligned as
// GemmArguments asks; groupRows is a multiple of 64.
#include "gemm/gemm.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/wgmma.cuh"
#include "sparse/groups.cuh"
#include "tile/operand_tile.cuh"

template <int WARPGROUPS, int STAGES_>
struct GroupWgmma {
  static constexpr int ROWS = 64, WIDTH = 256, BATCH = WARPGROUPS * WIDTH, DEPTH = 32, STAGES = STAGES_;
  static constexpr int THREADS = WARPGROUPS * 128;
  using Values = OperandTile<ROWS, DEPTH, true>;
  using Block = OperandTile<64, DEPTH, false>;  // of xᵀ
  using Gathered = typename Block::template GatheredRows<THREADS>;
  using Sums = float[WIDTH / 2];
  static constexpr int STAGE_ELEMENTS = Values::ELEMENTS + BATCH * DEPTH;
  static constexpr int OUT_STRIDE = ROWS + 4;  // floats; elements of the batch 4 banks apart
  static constexpr int SHARED_BYTES = STAGES * STAGE_ELEMENTS * 2;
  static_assert(SHARED_BYTES <= 232448, "more than a block of sm_90 may have");
  static_assert(BATCH * OUT_STRIDE * 4 <= SHARED_BYTES, "the tile goes out through the stages");

  // One group's part of a tile: where its values, its columns and the batch's elements of xᵀ begin.
  struct Operands {
    const bf16* values;
    long long valueStride;
    const int* columns;
    const bf16* xt;
    long long xtStride, batchLeft;
    int depth;
  };

  // Starts the copies of a step; rows are those of the step, and afterwards those of the next one.
  __device__ __forceinline__ static void fetch(bf16* stage, const Operands& o, Gathered& rows, int step) {
    int from = step * DEPTH;
    Values::template load<THREADS>(stage, o.values + from, o.valueStride, ROWS, o.valueStride - from);
#pragma unroll
    for (int block = 0; block < BATCH / 64; block++)
      rows.load(stage + Values::ELEMENTS + block * Block::ELEMENTS, o.xt + 64 * block, o.xtStride, o.batchLeft - 64 * block);
    rows.find(o.columns + from + DEPTH, o.depth - from - DEPTH);
  }

  // Starts the warpgroup's product of a stage: all rows by its own part of the batch.
  __device__ __forceinline__ static void multiply(const bf16* stage, Sums& sums) {
    constexpr unsigned BLOCK_BYTES = Block::ELEMENTS * 2;
    const bf16* blocks = stage + Values::ELEMENTS + threadIdx.x / 128 * (WIDTH * DEPTH);
    uint64_t left = ptx::describeTile<DEPTH * 2>(stage, 0), right = ptx::describeTile(blocks, BLOCK_BYTES);
    ptx::warpgroupFence();
    // 16 steps are 32 bytes of a row, or 16 rows of 128 bytes; addresses count 16 bytes.
#pragma unroll
    for (int i = 0; i < DEPTH / 16; i++) ptx::wgmma64x256x16<0, 1>(sums, left + i * 2, right + i * 128, 1);
    ptx::warpgroupCommit();
  }

  // Adds the product to sums. A stage is filled again once the product that read it is done, while the next one runs: so
  // STAGES - 2 steps are on their way.
  __device__ static void sum(bf16* shared, const Operands& o, Sums& sums) {
    constexpr int AHEAD = STAGES - 2;
    int steps = (o.depth + DEPTH - 1) / DEPTH;
    Gathered rows;
    rows.find(o.columns, o.depth);
#pragma unroll 1
    for (int step = 0; step < AHEAD; step++) {
      if (step < steps) fetch(shared + step * STAGE_ELEMENTS, o, rows, step);
      ptx::cpAsyncCommit();
    }
    int stage = 0;
#pragma unroll 1
    for (int step = 0; step < steps; step++) {
      ptx::cpAsyncWait<AHEAD - 1>();
      ptx::fenceAsyncProxy();
      ptx::warpgroupWait<1>();
      // All threads' copies of this stage are there, and all are done with the product before the last one.
      __syncthreads();
      multiply(shared + stage * STAGE_ELEMENTS, sums);
      int filled = stage >= 2 ? stage - 2 : stage + AHEAD;
      if (step + AHEAD < steps) fetch(shared + filled * STAGE_ELEMENTS, o, rows, step + AHEAD);
      ptx::cpAsyncCommit();
      stage = stage + 1 == STAGES ? 0 : stage + 1;
    }
    ptx::warpgroupWait<0>();
    ptx::cpAsyncWait<0>();
    __syncthreads();
  }

  // Takes the tile to y through shared memory, which turns it: lanes hold neighbours of the batch, y has neighbours of the rows.
  __device__ static void write(const GemmArguments& g, float* shared, long long firstElement, int firstRow, const Sums& sums) {
    int lane = threadIdx.x % 32, row = threadIdx.x / 32 % 4 * 16 + lane / 4;
    float* at = shared + (threadIdx.x / 128 * WIDTH + lane % 4 * 2) * OUT_STRIDE + row;
#pragma unroll
    for (int i = 0; i < WIDTH / 2; i++) at[(i / 4 * 8 + i % 2) * OUT_STRIDE + i / 2 % 2 * 8] = sums[i];
    __syncthreads();
    constexpr int PACKS = ROWS / 8;
    bool aligned = g.strideC % 8 == 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < BATCH * PACKS; i += THREADS) {
      int element = i / PACKS, first = i % PACKS * 8;
      if (firstElement + element >= g.m) break;
      float values[8];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        // Packs 128 bytes apart begin with different halves, so that eight lanes meet all banks.
        int at = 4 * (half ^ (first >> 5));
        float4 four = loadVector<float4>(shared + element * OUT_STRIDE + first + at);
        if (at == 0) values[0] = four.x, values[1] = four.y, values[2] = four.z, values[3] = four.w;
        else values[4] = four.x, values[5] = four.y, values[6] = four.z, values[7] = four.w;
      }
      writeOut<GEMM_VALUE>(g, static_cast<bf16*>(g.c), values, firstElement + element, firstRow + first, 8, aligned);
    }
    __syncthreads();
  }

  __device__ static void run(const GemmArguments& g, const group::Groups& groups) {
    SPARROW_DYNAMIC_SHARED(unsigned char, shared);
    int parts = groups.groupRows / ROWS;
    long long perBatchTile = (long long)groups.count * parts, tiles = (g.m + BATCH - 1) / BATCH * perBatchTile;
    // Tiles of the same part of the batch follow each other, so that its xᵀ comes from the second-level cache.
#pragma unroll 1
    for (long long number = blockIdx.x; number < tiles; number += gridDim.x) {
      int within = int(number % perBatchTile), part = within % parts * ROWS, live = groups.liveOf[within / parts];
      long long element = number / perBatchTile * BATCH, group = live < 0 ? 0 : live;
      Operands o = {g.b + (group * groups.groupRows + part) * g.strideB, g.strideB, groups.indices + group * g.k,
                    g.a + element, g.strideA, g.strideA - element, live < 0 ? 0 : g.k};
      Sums sums;
#pragma unroll
      for (int i = 0; i < WIDTH / 2; i++) sums[i] = 0;
      sum(reinterpret_cast<bf16*>(shared), o, sums);
      write(g, reinterpret_cast<float*>(shared), element, within / parts * groups.groupRows + part, sums);
    }
  }
};

// Entries: name with the tile, elements of the batch x rows; blocks that a multiprocessor holds.
#define GROUP_WGMMA_ENTRY(name, config, blocks)                                                 \
  extern "C" __global__ void __launch_bounds__(config::THREADS, blocks)                         \
      name(GemmArguments g, const int* indices, const int* liveOf, int groupRows, int count) {  \
    config::run(g, {indices, liveOf, groupRows, count});                                        \
  }

using GroupWgmmaLarge = GroupWgmma<2, 6>;
using GroupWgmmaSmall = GroupWgmma<1, 5>;

GROUP_WGMMA_ENTRY(group_wgmma_nt_bf16_512x64, GroupWgmmaLarge, 1)
GROUP_WGMMA_ENTRY(group_wgmma_nt_bf16_256x64, GroupWgmmaSmall, 2)
