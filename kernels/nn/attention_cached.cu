// Causal attention with a cache of keys and values, for generation: new tokens append theirs and attend to all positions up
// to their own (the split of the keys among warps as in Flash-Decoding, Dao et al. 2023). bf16 storage, fp32 arithmetic.
//
//   qkv (sequences·length, 3·width)  of the new tokens, as in nn/attention.cuh; out (sequences·length, width)
//   keys, values (sequences, capacity, width)  hold `position` tokens of each sequence
//
//   attention_cached_bf16   appends, and O_t = softmax(s·q_t·K_≤pᵀ)·V_≤p for new token t at p = position + t
//   attention_append_bf16   appends only: for a prompt at position 0, whose attention is that of nn/attention.cu
//
// Both: position + length <= capacity. Caches past that are neither read nor written.
//
// attention_cached_bf16: any head width up to 256, at any addresses; 16 bytes at a time where head width and addresses permit.
// scale is s. Grid: (length, heads, sequences). Block: a multiple of 32 threads up to 256. Dynamic shared memory:
// (threads / 32)·(headWidth + 2)·4 bytes.
// attention_append_bf16: grid (length, sequences), any block.
//
// One new token is a matter of bytes: a block reads the whole past of one head once. As many lanes as a key has chunks of 8
// elements share it, and a warp has several keys at a time; each group of lanes takes every n-th key and keeps its own
// running maximum and sums, which are merged at the end, within a warp by shuffles, then between warps in their order. Keys
// of the launch's own tokens are read from qkv: no block waits for what another appends.
#include "common/types.cuh"
#include "nn/attention.cuh"
#include "ptx/exp2.cuh"

namespace attention_cached {

constexpr int CHUNK = 8;   // elements of a lane
constexpr int AHEAD = 4;   // keys that a lane has in flight
constexpr float LOWEST = -1e30f;  // for a maximum over nothing yet; no score of finite inputs is below

// The lanes that share a key, a power of two of them.
template <bool WIDE>
struct Group {
  int headWidth, lanes, lane;

  __device__ explicit Group(int headWidth_) : headWidth(headWidth_), lanes(1) {
    while (lanes * CHUNK < headWidth) lanes *= 2;
    lane = threadIdx.x % lanes;
  }

  // The column of this lane's element i: chunks where they are read whole, else neighbours for neighbouring lanes.
  __device__ int column(int i) const { return WIDE ? lane * CHUNK + i : lane + lanes * i; }

  // This lane's elements of a row; 0 where there are none.
  __device__ Pack<bf16> load(const bf16* row, bool exists) const {
    Pack<bf16> pack = {};
    if (WIDE) {
      if (exists && lane * CHUNK < headWidth) pack = loadPack(row + lane * CHUNK);
    } else {
#pragma unroll
      for (int i = 0; i < CHUNK; i++)
        if (exists && column(i) < headWidth) pack.at[i] = row[column(i)];
    }
    return pack;
  }
};

// Softmax over some keys and its weighted sum of values, unfinished.
struct Partial {
  float max = LOWEST, sum = 0;  // to base 2
  float out[CHUNK] = {};

  __device__ void add(const float (&scores)[AHEAD], const Pack<bf16> (&values)[AHEAD]) {
    float top = max;
#pragma unroll
    for (int u = 0; u < AHEAD; u++) top = fmaxf(top, scores[u]);
    rescale(top);
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      float p = ptx::exp2Approximate(scores[u] - top);
      sum += p;
#pragma unroll
      for (int i = 0; i < CHUNK; i++) out[i] = fmaf(p, toFloat(values[u].at[i]), out[i]);
    }
  }

  // Adds what the lane `lanes` away has.
  __device__ void merge(int lanes) {
    float otherMax = __shfl_xor_sync(0xffffffffu, max, lanes), otherSum = __shfl_xor_sync(0xffffffffu, sum, lanes);
    float top = fmaxf(max, otherMax), kept = ptx::exp2Approximate(otherMax - top);
    float others[CHUNK];
#pragma unroll
    for (int i = 0; i < CHUNK; i++) others[i] = __shfl_xor_sync(0xffffffffu, out[i], lanes);
    rescale(top);
    sum = fmaf(otherSum, kept, sum);
#pragma unroll
    for (int i = 0; i < CHUNK; i++) out[i] = fmaf(others[i], kept, out[i]);
  }

 private:
  __device__ void rescale(float top) {
    float kept = ptx::exp2Approximate(max - top);
    max = top;
    sum *= kept;
#pragma unroll
    for (int i = 0; i < CHUNK; i++) out[i] *= kept;
  }
};

// The past of one head of one sequence, and the new tokens after it.
struct Past {
  const bf16* cached;     // keys or values of position 0
  const bf16* fresh;      // of the first new token
  int position, width;

  __device__ const bf16* row(int key) const {
    return key < position ? cached + (long long)key * width : fresh + (long long)(key - position) * 3 * width;
  }
};

// The block's keys up to `last`, each group of lanes every n-th of them.
template <bool WIDE>
__device__ __forceinline__ Partial attend(const Group<WIDE>& group, const bf16* query, const Past& keys, const Past& values,
                                          int last, float scale) {
  Pack<bf16> packed = group.load(query, true);
  float q[CHUNK];
#pragma unroll
  for (int i = 0; i < CHUNK; i++) q[i] = toFloat(packed.at[i]) * (scale * ATTENTION_LOG2_E);
  Partial partial;
  int groups = blockDim.x / group.lanes, number = threadIdx.x / group.lanes;
  for (int base = 0; base <= last; base += AHEAD * groups) {
    Pack<bf16> k[AHEAD], v[AHEAD];
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      int key = base + u * groups + number;
      k[u] = group.load(keys.row(key), key <= last);
      v[u] = group.load(values.row(key), key <= last);
    }
    float scores[AHEAD] = {};
#pragma unroll
    for (int u = 0; u < AHEAD; u++)
#pragma unroll
      for (int i = 0; i < CHUNK; i++) scores[u] = fmaf(q[i], toFloat(k[u].at[i]), scores[u]);
    for (int lanes = group.lanes / 2; lanes > 0; lanes /= 2)
#pragma unroll
      for (int u = 0; u < AHEAD; u++) scores[u] += __shfl_xor_sync(0xffffffffu, scores[u], lanes);
#pragma unroll
    for (int u = 0; u < AHEAD; u++)
      if (base + u * groups + number > last) scores[u] = -INFINITY;
    partial.add(scores, v);
  }
  for (int lanes = group.lanes; lanes < 32; lanes *= 2) partial.merge(lanes);
  return partial;
}

// Merges the warps' parts and writes the head's row of out.
template <bool WIDE>
__device__ __forceinline__ void finish(const Group<WIDE>& group, const Partial& partial, float* shared, bf16* out) {
  int warps = blockDim.x / 32, warp = threadIdx.x / 32, lane = threadIdx.x % 32, headWidth = group.headWidth;
  float *max = shared + warps * headWidth, *sum = max + warps;
  if (lane < group.lanes) {
#pragma unroll
    for (int i = 0; i < CHUNK; i++)
      if (group.column(i) < headWidth) shared[warp * headWidth + group.column(i)] = partial.out[i];
  }
  if (lane == 0) max[warp] = partial.max, sum[warp] = partial.sum;
  __syncthreads();
  float top = LOWEST;
  for (int w = 0; w < warps; w++) top = fmaxf(top, max[w]);
  for (int c = threadIdx.x; c < headWidth; c += blockDim.x) {
    float value = 0, total = 0;
    for (int w = 0; w < warps; w++) {
      float kept = ptx::exp2Approximate(max[w] - top);
      value = fmaf(shared[w * headWidth + c], kept, value);
      total = fmaf(sum[w], kept, total);
    }
    out[c] = fromFloat<bf16>(value / total);
  }
}

template <bool WIDE>
__device__ __forceinline__ void run(const AttentionHead& head, const bf16* qkv, bf16* keys, bf16* values, bf16* out,
                                    int capacity, int position, float scale, float* shared) {
  int row = blockIdx.x, width = head.width;
  const bf16* queries = qkv + head.packed();
  const bf16* own = queries + (long long)row * head.packedStride();
  long long cached = (long long)blockIdx.z * capacity * width + int(blockIdx.y) * head.headWidth;
  long long appended = cached + (long long)(position + row) * width;
  for (int c = threadIdx.x; c < head.headWidth; c += blockDim.x) {
    keys[appended + c] = own[width + c];
    values[appended + c] = own[2 * width + c];
  }
  Group<WIDE> group(head.headWidth);
  Partial partial = attend(group, own, Past{keys + cached, queries + width, position, width},
                           Past{values + cached, queries + 2 * width, position, width}, position + row, scale);
  finish(group, partial, shared, out + head.plain() + (long long)row * width);
}

}  // namespace attention_cached

extern "C" __global__ void __launch_bounds__(256)
    attention_cached_bf16(const bf16* qkv, bf16* keys, bf16* values, bf16* out, int length, int heads, int headWidth,
                          int capacity, int position, float scale) {
  SPARROW_DYNAMIC_SHARED(float, shared);
  AttentionHead head(length, heads, headWidth);
  if (headWidth % 8 == 0 && isAligned16(qkv) && isAligned16(keys) && isAligned16(values))
    attention_cached::run<true>(head, qkv, keys, values, out, capacity, position, scale, shared);
  else
    attention_cached::run<false>(head, qkv, keys, values, out, capacity, position, scale, shared);
}

extern "C" __global__ void attention_append_bf16(const bf16* qkv, bf16* keys, bf16* values, int width, int capacity,
                                                 int position) {
  const bf16* from = qkv + ((long long)blockIdx.y * gridDim.x + blockIdx.x) * 3 * width + width;
  long long to = ((long long)blockIdx.y * capacity + position + blockIdx.x) * width;
  if (width % 8 == 0 && isAligned16(qkv) && isAligned16(keys) && isAligned16(values)) {
    for (int c = 8 * threadIdx.x; c < width; c += 8 * blockDim.x) {
      storePack(keys + to + c, loadPack(from + c));
      storePack(values + to + c, loadPack(from + width + c));
    }
  } else {
    for (int c = threadIdx.x; c < width; c += blockDim.x) {
      keys[to + c] = from[c];
      values[to + c] = from[width + c];
    }
  }
}
