// Stable counting sort of a mixture of experts' assignments by expert (Gale et al. 2022, §5).
//
//   experts (P): the expert of assignment a = t·k + j, or -1 where it was dropped; P = T·k
//   rowOf   (P): the sorted row of each assignment: experts in order, one expert's in ascending order; -1 where it was dropped
//   tokenOf (P): the token t of each sorted row; left alone from offsets[E] on
//   offsets (E + 1): first sorted row of each expert; offsets[E] is the number kept
//
// Three launches. Bin e is expert e, bin E the dropped ones. With B blocks, block b taking the assignments
// [b·perBlock, (b+1)·perBlock) of both outer launches, and starts (B, E + 1) scratch:
//   1. moe_sort_histogram_i32  starts[b, e] = how many of block b's assignments are in bin e
//   2. moe_sort_scan_i32       starts[b, e] = the sorted row of the first of them; offsets
//   3. moe_sort_scatter_i32    rowOf and tokenOf
// A row depends on counts alone, never on which thread comes first: the same experts give the same result.
// Atomics only count in shared memory.
//
// Launch contract: 1 and 3 with B blocks, B·perBlock >= P, perBlock a multiple of the block size, a multiple of 32; 2 with
// one block of a multiple of 32 threads. Dynamic shared memory: 1 takes E + 1 ints, 3 takes E + 1 ints a warp. P may be 0.
#include "common/types.cuh"

namespace moesort {

__device__ __forceinline__ int binOf(int expert, int expertCount) { return expert < 0 ? expertCount : expert; }

// bins[e] += occurrences of e in experts [from, to), by one warp. Equal lanes are counted by a vote, so that a single
// popular expert does not queue 32 atomics.
__device__ __forceinline__ void countRange(const int* experts, long long from, long long to, int expertCount, int* bins) {
  int lane = threadIdx.x % 32;
  for (long long start = from; start < to; start += 32) {
    int bin = start + lane < to ? binOf(experts[start + lane], expertCount) : -1;
    unsigned equal = __match_any_sync(0xffffffffu, bin);
    if (bin >= 0 && lane == __ffs(int(equal)) - 1) atomicAdd(bins + bin, __popc(equal));
  }
}

// The warp's part of the block's assignments.
struct Range { long long from, to; };

__device__ __forceinline__ Range warpRange(long long assignments, int perBlock) {
  int perWarp = perBlock / int(blockDim.x / 32);
  long long from = (long long)blockIdx.x * perBlock + (long long)(threadIdx.x / 32) * perWarp;
  return {min(from, assignments), min(from + perWarp, assignments)};
}

// Sum over the threads before this one; total receives that of all. scratch: 32 ints.
__device__ __forceinline__ int exclusiveSum(int v, int* scratch, int& total) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32, sum = v;
  for (int distance = 1; distance < 32; distance *= 2) {
    int below = __shfl_up_sync(0xffffffffu, sum, distance);
    if (lane >= distance) sum += below;
  }
  if (lane == 31) scratch[warp] = sum;
  __syncthreads();
  int before = 0;
  total = 0;
  for (int w = 0; w < warps; w++) {
    if (w < warp) before += scratch[w];
    total += scratch[w];
  }
  __syncthreads();
  return before + sum - v;
}

// bins (warps, E + 1) from counts to the first sorted row of each warp's share of each bin.
__device__ __forceinline__ void countsToRows(const int* starts, int bins, int* counts) {
  for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) {
    int row = starts[bin];
    for (int warp = 0; warp < int(blockDim.x / 32); warp++) {
      int count = counts[warp * bins + bin];
      counts[warp * bins + bin] = row;
      row += count;
    }
  }
}

// rowOf[a] = row and tokenOf[row] = a / k for experts [from, to) in order, by one warp; next[e] is the row of the warp's next
// assignment of e.
__device__ __forceinline__ void place(const int* experts, long long from, long long to, int expertCount, int k, int* next,
                                      int* tokenOf, int* rowOf) {
  int lane = threadIdx.x % 32;
  for (long long start = from; start < to; start += 32) {
    int bin = start + lane < to ? binOf(experts[start + lane], expertCount) : -1;
    unsigned equal = __match_any_sync(0xffffffffu, bin);
    int rank = __popc(equal & ((1u << lane) - 1));
    int row = bin >= 0 ? next[bin] + rank : 0;
    __syncwarp();
    if (bin >= 0) {
      rowOf[start + lane] = bin < expertCount ? row : -1;
      if (bin < expertCount) tokenOf[row] = int(start + lane) / k;
      if (rank == 0) next[bin] += __popc(equal);
    }
    __syncwarp();
  }
}

}  // namespace moesort

extern "C" __global__ void moe_sort_histogram_i32(const int* experts, int* starts, long long assignments,
                                                  int expertCount, int perBlock) {
  SPARROW_DYNAMIC_SHARED(int, bins);
  for (int bin = threadIdx.x; bin <= expertCount; bin += blockDim.x) bins[bin] = 0;
  __syncthreads();
  moesort::Range mine = moesort::warpRange(assignments, perBlock);
  moesort::countRange(experts, mine.from, mine.to, expertCount, bins);
  __syncthreads();
  int* out = starts + (long long)blockIdx.x * (expertCount + 1);
  for (int bin = threadIdx.x; bin <= expertCount; bin += blockDim.x) out[bin] = bins[bin];
}

extern "C" __global__ void moe_sort_scan_i32(int* starts, int* offsets, int expertCount, int blocks) {
  __shared__ int scratch[32];
  int bins = expertCount + 1, row = 0;
  for (int first = 0; first < bins; first += blockDim.x) {
    int bin = first + int(threadIdx.x), count = 0, total;
    if (bin < bins)
      for (int b = 0; b < blocks; b++) count += starts[(long long)b * bins + bin];
    int start = row + moesort::exclusiveSum(count, scratch, total);
    row += total;
    if (bin >= bins) continue;
    offsets[bin] = start;
    for (int b = 0; b < blocks; b++) {
      long long at = (long long)b * bins + bin;
      int here = starts[at];
      starts[at] = start;
      start += here;
    }
  }
}

extern "C" __global__ void moe_sort_scatter_i32(const int* experts, const int* starts, int* tokenOf, int* rowOf,
                                                long long assignments, int expertCount, int k, int perBlock) {
  SPARROW_DYNAMIC_SHARED(int, next);
  int bins = expertCount + 1, warps = blockDim.x / 32, warp = threadIdx.x / 32;
  for (int i = threadIdx.x; i < warps * bins; i += blockDim.x) next[i] = 0;
  __syncthreads();
  moesort::Range mine = moesort::warpRange(assignments, perBlock);
  moesort::countRange(experts, mine.from, mine.to, expertCount, next + warp * bins);
  __syncthreads();
  moesort::countsToRows(starts + (long long)blockIdx.x * bins, bins, next);
  __syncthreads();
  moesort::place(experts, mine.from, mine.to, expertCount, k, next + warp * bins, tokenOf, rowOf);
}
