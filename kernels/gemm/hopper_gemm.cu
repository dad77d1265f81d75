// sparrow: sm_90a only
// Matrix products in bf16 with fp32 accumulation for Hopper: the forms and the arithmetic of mma_gemm.cu, with operands
// fetched by the copy engine and multiplied by warpgroups straight from shared memory.
//
// Entries are named as there, with hopper_ in front and the tile 128x256x64. Besides GemmArguments (whose a and b are not
// read) a launch takes a tensor map of each operand, bf16, three-dimensional, swizzled by 128 bytes, out-of-bounds zeros:
//   depth contiguous   dimensions (k, rows, groups), box (64, 128 for A or 256 for B, 1)
//   edge contiguous    dimensions (m or n, k, groups), box (64, 64, 1)
// groups is 1 for A and where the rows of all groups follow each other. Grid: as many blocks as the device has
// multiprocessors. Block: 384 threads. Dynamic shared memory: HopperGemm::SHARED_BYTES.
//
// One warp fetches; two warpgroups multiply, 64 rows each, and write out (Hopper's warp-specialised persistent scheme; see
// PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions"). A ring of four stages lies between them: full[s] completes
// when a stage's bytes are there, empty[s] when both warpgroups are done with it.
#include "gemm/gemm.cuh"
#include "ptx/tensor_copy.cuh"
#include "ptx/wgmma.cuh"

template <bool A_DEPTH_CONTIGUOUS, bool B_DEPTH_CONTIGUOUS>
struct HopperGemm {
  static constexpr int ROWS = 128, COLUMNS = 256, DEPTH = 64, STAGES = 4;
  static constexpr int WARPGROUP = 128, CONSUMERS = 2, THREADS = WARPGROUP * (1 + CONSUMERS);
  static constexpr int A_BYTES = ROWS * DEPTH * 2, B_BYTES = COLUMNS * DEPTH * 2, STAGE_BYTES = A_BYTES + B_BYTES;
  static constexpr int BLOCK_BYTES = 64 * DEPTH * 2;  // of an edge-contiguous box
  // A warp's rows of C on their way out: 16 rows of 32 columns, 4 banks apart.
  static constexpr int STRIP_COLUMNS = 32, STRIP_STRIDE = STRIP_COLUMNS + 4, STRIP_FLOATS = 16 * STRIP_STRIDE;
  static constexpr int STRIPS_BYTES = CONSUMERS * 4 * STRIP_FLOATS * 4;
  static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES + STRIPS_BYTES + 2 * STAGES * 8;
  static_assert(SHARED_BYTES <= 232448, "more than a block of sm_90 may have");
  using Sums = float[COLUMNS / 2];

  // Where the ring stands: the stage and the parity of its current phase.
  struct Ring {
    int stage = 0;
    unsigned parity = 0;
    __device__ void advance() {
      if (++stage == STAGES) stage = 0, parity ^= 1;
    }
  };

  struct Shared {
    unsigned char* stages;
    float* strips;
    ptx::Barrier* full;
    ptx::Barrier* empty;

    __device__ explicit Shared(unsigned char* base)
        : stages(base), strips(reinterpret_cast<float*>(base + STAGES * STAGE_BYTES)),
          full(reinterpret_cast<ptx::Barrier*>(base + STAGES * STAGE_BYTES + STRIPS_BYTES)), empty(full + STAGES) {}
    __device__ unsigned char* a(int stage) const { return stages + stage * STAGE_BYTES; }
    __device__ unsigned char* b(int stage) const { return a(stage) + A_BYTES; }
  };

  static __device__ long long steps(const GemmTask& task) { return (task.depth + DEPTH - 1) / DEPTH; }

  // One thread: fills the stage with both operands' tiles of one step.
  static __device__ void fetch(const Shared& shared, int stage, const TensorMap* a, const TensorMap* b, const GemmTask& task,
                               int groupB, long long step) {
    ptx::Barrier* full = shared.full + stage;
    ptx::barrierArriveExpecting(full, STAGE_BYTES);
    int depth = int(task.first + step * DEPTH), row = int(task.row), column = task.column;
    if (A_DEPTH_CONTIGUOUS) {
      ptx::copyBox(shared.a(stage), a, depth, row, 0, full);
    } else {
      for (int i = 0; i < ROWS / 64; i++) ptx::copyBox(shared.a(stage) + i * BLOCK_BYTES, a, row + 64 * i, depth, 0, full);
    }
    if (B_DEPTH_CONTIGUOUS) {
      ptx::copyBox(shared.b(stage), b, depth, column, groupB, full);
    } else {
      for (int i = 0; i < COLUMNS / 64; i++)
        ptx::copyBox(shared.b(stage) + i * BLOCK_BYTES, b, column + 64 * i, depth, groupB, full);
    }
  }

  template <GemmForm FORM>
  static __device__ void produce(const GemmArguments& g, const TensorMap* a, const TensorMap* b, const Shared& shared) {
    bool leader = threadIdx.x % 32 == 0;
    GemmTasks<FORM, ROWS, COLUMNS> tasks(g);
    GemmTask task;
    Ring ring;
    for (long long number = blockIdx.x; tasks.find(number, task); number += gridDim.x) {
      int groupB = FORM == GEMM_RAGGED_ROWS ? task.group : 0;
      for (long long step = 0; step < steps(task); step++, ring.advance()) {
        if (leader) {
          // A fresh barrier's phase before the first counts as complete.
          ptx::barrierWait(shared.empty + ring.stage, ring.parity ^ 1);
          fetch(shared, ring.stage, a, b, task, groupB, step);
        }
        __syncwarp();
      }
    }
  }

  // Ragged depth: the rows of a last, partial step that belong to the next group become 0, by all consumers.
  static __device__ void clearTail(unsigned char* stage, int left) {
    int thread = threadIdx.x - WARPGROUP, chunks = (DEPTH - left) * 8;
    for (int block = 0; block < STAGE_BYTES / BLOCK_BYTES; block++)
      for (int i = thread; i < chunks; i += CONSUMERS * WARPGROUP)
        reinterpret_cast<uint4*>(stage + block * BLOCK_BYTES + left * 128)[i] = make_uint4(0, 0, 0, 0);
    ptx::fenceAsyncProxy();
    ptx::barrierOf(1, CONSUMERS * WARPGROUP);
  }

  // Adds a stage's product to the warpgroup's 64 rows.
  static __device__ void multiply(const Shared& shared, int stage, int half, Sums& sums, bool first) {
    const unsigned char* a = shared.a(stage) + half * (A_DEPTH_CONTIGUOUS ? 64 * DEPTH * 2 : BLOCK_BYTES);
    uint64_t left = ptx::describeTile(a, BLOCK_BYTES), right = ptx::describeTile(shared.b(stage), BLOCK_BYTES);
    // 16 steps are 32 bytes of a row, or 16 rows of 128 bytes; addresses count 16 bytes.
    constexpr int LEFT_STEP = A_DEPTH_CONTIGUOUS ? 2 : 128, RIGHT_STEP = B_DEPTH_CONTIGUOUS ? 2 : 128;
    ptx::warpgroupFence();
#pragma unroll
    for (int i = 0; i < DEPTH / 16; i++)
      ptx::wgmma64x256x16<!A_DEPTH_CONTIGUOUS, !B_DEPTH_CONTIGUOUS>(sums, left + i * LEFT_STEP, right + i * RIGHT_STEP,
                                                                    !first || i > 0);
    ptx::warpgroupCommit();
  }

  // The task's sums; a stage is given back once the products after it have been started.
  template <GemmForm FORM>
  static __device__ void sum(const Shared& shared, const GemmTask& task, int half, Ring& ring, Sums& sums) {
    long long count = steps(task);
    int last = -1;
    for (long long step = 0; step < count; step++, ring.advance()) {
      ptx::barrierWait(shared.full + ring.stage, ring.parity);
      long long left = task.depth - step * DEPTH;
      if (FORM == GEMM_RAGGED_DEPTH && left < DEPTH) clearTail(shared.a(ring.stage), int(left));
      multiply(shared, ring.stage, half, sums, step == 0);
      ptx::warpgroupWait<1>();
      if (last >= 0 && threadIdx.x % WARPGROUP == 0) ptx::barrierArrive(shared.empty + last);
      last = ring.stage;
    }
    ptx::warpgroupWait<0>();
    if (last >= 0 && threadIdx.x % WARPGROUP == 0) ptx::barrierArrive(shared.empty + last);
  }

  // Puts 32 columns of the warp's sums into its strip.
  template <int FIRST>
  static __device__ __forceinline__ void put(float* strip, const Sums& sums) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < STRIP_COLUMNS / 8; j++)
#pragma unroll
      for (int i = 0; i < 4; i++)
        strip[(lane / 4 + i / 2 * 8) * STRIP_STRIDE + 8 * j + lane % 4 * 2 + i % 2] = sums[(FIRST / 8 + j) * 4 + i];
  }

  // Sums are registers, which take no index: one case for each, so that what follows a strip is there once and not eight times,
  // which the instruction cache would not hold.
  static __device__ __forceinline__ void putFrom(int first, float* strip, const Sums& sums) {
    switch (first) {
      case 0: return put<0>(strip, sums);
      case 32: return put<32>(strip, sums);
      case 64: return put<64>(strip, sums);
      case 96: return put<96>(strip, sums);
      case 128: return put<128>(strip, sums);
      case 160: return put<160>(strip, sums);
      case 192: return put<192>(strip, sums);
      case 224: return put<224>(strip, sums);
    }
  }

  // Takes the warp's 16 rows to C, 32 columns at a time, so that C is moved in whole 16-byte pieces of rows.
  template <class Out>
  static __device__ void epilogue(const GemmArguments& g, const GemmTask& task, float* strip, int half, const Sums& sums) {
    int lane = threadIdx.x % 32, firstRow = 64 * half + threadIdx.x / 32 % 4 * 16;
    Out* c = static_cast<Out*>(g.c) + task.group * g.groupStrideC;
    bool aligned = g.strideC % 8 == 0;
#pragma unroll 1
    for (int first = 0; first < COLUMNS; first += STRIP_COLUMNS) {
      putFrom(first, strip, sums);
      __syncwarp();
#pragma unroll 1
      for (int pack = lane; pack < 16 * STRIP_COLUMNS / 8; pack += 32) {
        int row = pack / (STRIP_COLUMNS / 8), column = pack % (STRIP_COLUMNS / 8) * 8;
        int left = g.n - task.column - first - column;
        if (firstRow + row < task.rows && left > 0) {
          const float* from = strip + row * STRIP_STRIDE + column;
          float4 low = loadVector<float4>(from), high = loadVector<float4>(from + 4);
          float values[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
          writeOut<nonlinearityOf(A_DEPTH_CONTIGUOUS, B_DEPTH_CONTIGUOUS)>(
              g, c, values, task.row + firstRow + row, task.column + first + column, left < 8 ? left : 8,
              aligned && left >= 8);
        }
      }
      __syncwarp();
    }
  }

  // Whether a tile in bf16 is its sums, with a bias or without, and all of its columns exist.
  static __device__ bool isPlain(const GemmArguments& g, const GemmTask& task) {
    return g.residual == nullptr && g.activation == GEMM_IDENTITY && g.preactivation == nullptr && !g.accumulate &&
           g.strideC % 8 == 0 && task.column + COLUMNS <= g.n;
  }

  // epilogue() of a plain tile: rounded before they go through shared memory, 64 columns of 16 rows are as large as a strip, and
  // eight lanes write the 128 bytes of a row.
  static __device__ void epiloguePlain(const GemmArguments& g, const GemmTask& task, float* strip, int half, const Sums& sums) {
    constexpr int WIDE = 64, WORDS = WIDE / 2 + 4;  // a row's words, 4 banks apart
    static_assert(16 * WORDS <= STRIP_FLOATS, "within the strip");
    int lane = threadIdx.x % 32, firstRow = 64 * half + threadIdx.x / 32 % 4 * 16;
    long long rows = task.rows - firstRow - lane / 8;
    unsigned* words = reinterpret_cast<unsigned*>(strip);
    bf16* c = static_cast<bf16*>(g.c) + (task.row + firstRow + lane / 8) * g.strideC + task.column + lane % 8 * 8;
    const bf16* bias = g.bias == nullptr ? nullptr : g.bias + task.column + lane % 4 * 2;
#pragma unroll
    for (int first = 0; first < COLUMNS; first += WIDE) {
#pragma unroll
      for (int j = 0; j < WIDE / 8; j++) {
        float left = bias == nullptr ? 0.0f : toFloat(bias[first + 8 * j]);
        float right = bias == nullptr ? 0.0f : toFloat(bias[first + 8 * j + 1]);
#pragma unroll
        for (int i = 0; i < 2; i++) {
          const int at = (first / 8 + j) * 4 + 2 * i;
          words[(lane / 4 + 8 * i) * WORDS + 4 * j + lane % 4] = packBf16(sums[at] + left, sums[at + 1] + right);
        }
      }
      __syncwarp();
#pragma unroll
      for (int row = 0; row < 16; row += 4)
        if (row < rows)
          storeVector(c + row * g.strideC + first, loadVector<uint4>(words + (row + lane / 8) * WORDS + lane % 8 * 4));
      __syncwarp();
    }
  }

  template <GemmForm FORM, class Out>
  static __device__ void consume(const GemmArguments& g, const Shared& shared) {
    int half = threadIdx.x / WARPGROUP - 1;
    float* strip = shared.strips + (threadIdx.x / 32 - 4) * STRIP_FLOATS;
    GemmTasks<FORM, ROWS, COLUMNS> tasks(g);
    GemmTask task;
    Ring ring;
    for (long long number = blockIdx.x; tasks.find(number, task); number += gridDim.x) {
      Sums sums;
#pragma unroll
      for (int i = 0; i < COLUMNS / 2; i++) sums[i] = 0;  // what a group without rows gives
      sum<FORM>(shared, task, half, ring, sums);
      if (sizeof(Out) == sizeof(bf16) && isPlain(g, task)) epiloguePlain(g, task, strip, half, sums);
      else epilogue<Out>(g, task, strip, half, sums);
    }
  }

  template <GemmForm FORM, class Out>
  static __device__ void run(const GemmArguments& g, const TensorMap* a, const TensorMap* b) {
    SPARROW_DYNAMIC_SHARED(unsigned char, base);
    Shared shared(base);
    if (threadIdx.x == 0) {
      ptx::prefetchMap(a);
      ptx::prefetchMap(b);
      for (int stage = 0; stage < STAGES; stage++) {
        ptx::barrierInit(shared.full + stage, 1);
        ptx::barrierInit(shared.empty + stage, CONSUMERS);
      }
      ptx::barrierFence();
    }
    __syncthreads();
    if (threadIdx.x < WARPGROUP) {
      ptx::releaseRegisters<40>();
      if (threadIdx.x < 32) produce<FORM>(g, a, b, shared);
    } else {
      ptx::takeRegisters<232>();
      consume<FORM, Out>(g, shared);
    }
  }
};

#define HOPPER_ENTRY(name, form, aContiguous, bContiguous, out)                                                  \
  extern "C" __global__ void __launch_bounds__(384, 1)                                                           \
      hopper_##name(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, GemmArguments g) { \
    HopperGemm<aContiguous, bContiguous>::template run<form, out>(g, &a, &b);                                    \
  }

HOPPER_ENTRY(gemm_nt_bf16_128x256x64, GEMM_DENSE, true, true, bf16)
HOPPER_ENTRY(gemm_nn_bf16_128x256x64, GEMM_DENSE, true, false, bf16)
HOPPER_ENTRY(gemm_tn_f32_128x256x64, GEMM_DENSE, false, false, float)
HOPPER_ENTRY(grouped_gemm_nt_bf16_128x256x64, GEMM_RAGGED_ROWS, true, true, bf16)
HOPPER_ENTRY(grouped_gemm_nn_bf16_128x256x64, GEMM_RAGGED_ROWS, true, false, bf16)
HOPPER_ENTRY(grouped_gemm_tn_f32_128x256x64, GEMM_RAGGED_DEPTH, false, false, float)
