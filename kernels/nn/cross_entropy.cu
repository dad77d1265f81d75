// Softmax cross-entropy, fused with its gradient.
//
//   losses_i = log Σ_j exp(logits_ij) - logits_i,target;   dlogits_ij = scale·(softmax(logits_i)_j - [j = target])
//   target IGNORE (-1): loss 0, gradient 0
//
// logits (rows, columns) T, one of fp32 and bf16; targets (rows) I32, in [0, classes) or IGNORE; losses (rows) fp32.
// Columns from classes on are padding, so that rows may be aligned whatever the vocabulary: they take no part in the
// softmax, whatever they hold, and their gradient is 0.
// cross_entropy leaves the logits as they are. cross_entropy_gradient puts the gradient in their place, so that neither
// lies in memory in fp32. Maximum and sum are found in one pass (Milakov & Gimelshein 2018), in fp32; the gradient is a
// second pass over the row, which the cache still holds.
//
// Launch contract: one-dimensional grid and block, the block a multiple of 32; each block takes rows blockIdx.x,
// blockIdx.x + gridDim.x, ... Any number of columns: a row that starts off a 16-byte boundary is read element by element
// up to the next one. Best with 256 threads or more and as many blocks as rows. A row's result depends on the block's size
// and on where the row starts relative to 16 bytes, not on the grid.
#include <cfloat>

#include "common/chunk.cuh"
#include "common/reduce.cuh"
#include "common/types.cuh"

namespace crossentropy {

constexpr int IGNORE = -1;

// Calls body(Width<w>, column) so that columns 0 to classes - 1 of a row are covered once, split over the block, packs
// on 16-byte boundaries.
template <typename T, typename Body>
__device__ __forceinline__ void forRow(const T* row, int classes, Body body) {
  constexpr int SIZE = Pack<T>::SIZE;
  int head = int((16 - reinterpret_cast<uintptr_t>(row) % 16) % 16 / sizeof(T));
  if (head > classes) head = classes;
  int whole = head + (classes - head) / SIZE * SIZE;
  if (int(threadIdx.x) < head) body(Width<1>(), int(threadIdx.x));
  for (int c = head + threadIdx.x * SIZE; c < whole; c += blockDim.x * SIZE) body(Width<SIZE>(), c);
  if (int(threadIdx.x) < classes - whole) body(Width<1>(), whole + int(threadIdx.x));
}

// Σ exp(x - max) over what was added so far, with the greatest of it as max.
struct RunningSum {
  float max = -FLT_MAX, sum = 0.0f;  // finite, so that exp(x - max) is 0 for x = -infinity

  template <int WIDTH>
  __device__ __forceinline__ void add(const Chunk<WIDTH>& x) {
    float greatest = max;
#pragma unroll
    for (int i = 0; i < WIDTH; i++) greatest = fmaxf(greatest, x.at[i]);
    if (greatest > max) {
      sum *= __expf(max - greatest);
      max = greatest;
    }
#pragma unroll
    for (int i = 0; i < WIDTH; i++) sum += __expf(x.at[i] - max);
  }
};

__device__ __forceinline__ float blockMax(float v, float* scratch) {
  v = warpMax(v);
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  if (lane == 0) scratch[warp] = v;
  __syncthreads();
  float greatest = warpMax(lane < warps ? scratch[lane] : -FLT_MAX);
  __syncthreads();
  return greatest;
}

// The sum of the block's threads over one common max, in every thread.
__device__ __forceinline__ RunningSum combine(RunningSum mine, float* scratch) {
  RunningSum all;
  all.max = blockMax(mine.max, scratch);
  all.sum = blockSum(mine.sum * __expf(mine.max - all.max), scratch);
  return all;
}

template <typename T>
__device__ __forceinline__ void writeZeros(T* row, int columns) {
  forRow(row, columns, [&](auto width, int c) { storeChunk<decltype(width)::value>(row + c, {}); });
}

template <typename T>
__device__ __forceinline__ void writeGradient(const RunningSum& all, int target, float scale, T* row, int classes,
                                              int columns) {
  float factor = scale / all.sum;
  forRow(row, classes, [&](auto width, int c) {
    constexpr int WIDTH = decltype(width)::value;
    auto x = loadChunk<WIDTH>(row + c);
#pragma unroll
    for (int i = 0; i < WIDTH; i++) x.at[i] = __expf(x.at[i] - all.max) * factor - (c + i == target ? scale : 0.0f);
    storeChunk<WIDTH>(row + c, x);
  });
  writeZeros(row + classes, columns - classes);
}

// L is T or const T, with GRADIENT and without.
template <typename L, bool GRADIENT>
__device__ __forceinline__ void run(L* logits, const int* targets, float scale, float* losses, long long rows,
                                    int classes, int columns) {
  __shared__ float scratch[32];
  for (long long r = blockIdx.x; r < rows; r += gridDim.x) {
    L* row = logits + r * columns;
    int target = targets[r];
    if (target == IGNORE) {
      if (threadIdx.x == 0) losses[r] = 0.0f;
      if constexpr (GRADIENT) writeZeros(row, columns);
      continue;
    }
    float chosen = toFloat(row[target]);  // before the barriers, behind which it is overwritten
    RunningSum mine;
    forRow(row, classes, [&](auto width, int c) { mine.add(loadChunk<decltype(width)::value>(row + c)); });
    RunningSum all = combine(mine, scratch);
    if (threadIdx.x == 0) losses[r] = logf(all.sum) + (all.max - chosen);
    if constexpr (GRADIENT) writeGradient(all, target, scale, row, classes, columns);
  }
}

}  // namespace crossentropy

#define SPARROW_CROSS_ENTROPY_ENTRIES(suffix, T)                                                                      \
  extern "C" __global__ void cross_entropy_##suffix(const T* logits, const int* targets, float* losses,               \
                                                    long long rows, int classes, int columns) {                       \
    crossentropy::run<const T, false>(logits, targets, 0.0f, losses, rows, classes, columns);                         \
  }                                                                                                                   \
  extern "C" __global__ void cross_entropy_gradient_##suffix(T* logits, const int* targets, float scale,              \
                                                             float* losses, long long rows, int classes,              \
                                                             int columns) {                                           \
    crossentropy::run<T, true>(logits, targets, scale, losses, rows, classes, columns);                               \
  }

SPARROW_CROSS_ENTROPY_ENTRIES(f32, float)
SPARROW_CROSS_ENTROPY_ENTRIES(bf16, bf16)
