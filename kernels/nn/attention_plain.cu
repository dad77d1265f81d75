// Attention, causal or full, forward and backward, without tensor cores: any head width up to 256, odd ones too, at any
// addresses.
// Equations: nn/attention.cu, nn/attention_backward_queries.cu, nn/attention_backward_keys.cu; layouts and dropout:
// nn/attention.cuh. bf16 storage, fp32 arithmetic. For what those do not serve; they are far faster.
//
//   attention_plain_forward_bf16            out and logSumExp, which may be null
//   attention_plain_backward_queries_bf16   the queries' part of dqkv, and rows, as attention_backward_queries_bf16 does
//   attention_plain_backward_keys_bf16      the other two parts, after it on the stream
//
// causal is 0 where every query sees every key. scale is 1/sqrt(headWidth). firstToken is null where nothing is dropped; then
// the other arguments of dropout are not read.
// rows, (sequences·heads, length, 2) fp32, is 8-byte aligned.
// Grid: (ceil(length / 8), heads, sequences). Block: 256 threads. Dynamic shared memory: 160·stride bytes, where stride =
// 2·(ceil(headWidth / 2) | 1): 41,280 at most, whatever the length.
//
// A warp takes one row: a query, or for dK and dV a key. The rows that it meets, keys or queries, come by 32 into shared
// memory, one for each lane: a lane has the score of its own, and for the sums over all 32 it has up to 8 columns instead.
// Each sum has one order; there are no atomics.
#include "common/reduce.cuh"
#include "common/types.cuh"
#include "nn/attention.cuh"

namespace attention_plain {

constexpr int WARPS = 8, TILE = 32, COLUMNS = 256 / 32;

using Columns = float[COLUMNS];  // [i] is column lane + 32·i

// Elements between rows in shared memory: an odd number of 32-bit words, so that the same word of 32 rows is in 32 banks.
__host__ __device__ constexpr int strideOf(int headWidth) { return 2 * ((headWidth + 1) / 2 | 1); }
constexpr int sharedBytes(int headWidth) { return 2 * (TILE + WARPS) * strideOf(headWidth) * 2; }

// What lies in shared memory: two tiles of 32 rows, and two rows of each warp's own.
struct Shared {
  bf16* start;
  int headWidth, stride;

  __device__ Shared(bf16* start_, int headWidth_) : start(start_), headWidth(headWidth_), stride(strideOf(headWidth_)) {}

  __device__ bf16* tile(int which) const { return start + which * TILE * stride; }
  __device__ bf16* own(int which) const { return tile(2) + (which * WARPS + int(threadIdx.x / 32)) * stride; }

  // A warp copies a row; a row that does not exist and what follows a row's last element becomes 0.
  __device__ void copyRow(bf16* to, const bf16* from, bool exists) const {
    for (int c = threadIdx.x % 32; c < stride; c += 32) to[c] = exists && c < headWidth ? from[c] : fromFloat<bf16>(0.0f);
  }

  // The block copies 32 rows, of which the first `rows` exist.
  __device__ void copyTile(int which, const bf16* from, long long fromStride, int rows) const {
    for (int r = threadIdx.x / 32; r < TILE; r += WARPS) copyRow(tile(which) + r * stride, from + r * fromStride, r < rows);
  }

  // <the warp's own row, the lane's row of the tile>
  __device__ float dot(int ownRow, int tileRow) const {
    const bf16 *a = own(ownRow), *b = tile(tileRow) + threadIdx.x % 32 * stride;
    float sum = 0;
    for (int c = 0; c < stride; c += 2) {
      bf162 x = *reinterpret_cast<const bf162*>(a + c), y = *reinterpret_cast<const bf162*>(b + c);
      sum = fmaf(__low2float(x), __low2float(y), sum);
      sum = fmaf(__high2float(x), __high2float(y), sum);
    }
    return sum;
  }

  // sums += Σ over lanes of the lane's weight times its row of the tile.
  __device__ void accumulate(Columns& sums, float weight, int tileRow) const {
    int lane = threadIdx.x % 32;
    for (int r = 0; r < TILE; r++) {
      float w = __shfl_sync(0xffffffffu, weight, r);
      const bf16* row = tile(tileRow) + r * stride;
#pragma unroll
      for (int i = 0; i < COLUMNS; i++)
        if (lane + 32 * i < headWidth) sums[i] = fmaf(w, toFloat(row[lane + 32 * i]), sums[i]);
    }
  }

  __device__ void write(bf16* to, const Columns& sums, float factor) const {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < COLUMNS; i++)
      if (lane + 32 * i < headWidth) to[lane + 32 * i] = fromFloat<bf16>(sums[i] * factor);
  }
};

// Dropout of one launch, or none.
struct Mask {
  bool drops;
  AttentionDropout dropout;

  __device__ Mask(unsigned dropBelow, float dropScale, unsigned long long seed, unsigned long long stream,
                  const unsigned long long* firstToken, unsigned long long perToken)
      : drops(firstToken != nullptr) {
    if (drops) dropout = AttentionDropout(dropBelow, dropScale, seed, stream, firstToken, perToken);
  }

  __device__ bool keeps(const AttentionHead& head, int query, int key) const {
    return !drops || dropout.keeps(dropout.draw(head, query, key));
  }
};

// Keys that the queries before `end` see.
__device__ __forceinline__ int keysSeen(bool causal, int end, int length) { return causal ? min(end, length) : length; }

__device__ __forceinline__ void forward(const bf16* qkv, bf16* out, float* logSumExp, const AttentionHead& head, bool causal,
                                        float scale, const Mask& mask, const Shared& shared) {
  // The last queries see the most keys: their blocks start first.
  int first = int(gridDim.x - 1 - blockIdx.x) * WARPS, query = first + int(threadIdx.x / 32), lane = threadIdx.x % 32;
  int length = head.length, stride = head.packedStride();
  bool exists = query < length;
  const bf16* queries = qkv + head.packed();
  shared.copyRow(shared.own(0), queries + (long long)query * stride, exists);
  float max = -INFINITY, sum = 0;  // of the scores to base 2; of this lane's keys
  Columns sums = {};
  int seen = keysSeen(causal, query + 1, length);
  for (int tile = 0; tile < keysSeen(causal, first + WARPS, length); tile += TILE) {
    const bf16* keys = queries + head.width + (long long)tile * stride;
    __syncthreads();  // all are done with the tile before
    shared.copyTile(0, keys, stride, length - tile);
    shared.copyTile(1, keys + head.width, stride, length - tile);
    __syncthreads();
    if (!exists || tile >= seen) continue;
    int key = tile + lane;
    float score = key < seen ? shared.dot(0, 0) * scale * ATTENTION_LOG2_E : -INFINITY;
    float top = warpMax(fmaxf(max, score));  // finite: the first tile has key 0
    float kept = exp2f(max - top), p = exp2f(score - top);
    max = top;
    sum = sum * kept + p;
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) sums[i] *= kept;
    shared.accumulate(sums, mask.keeps(head, query, key) ? p : 0, 1);
  }
  if (!exists) return;
  sum = warpSum(sum);
  if (logSumExp != nullptr && lane == 0) logSumExp[head.rows() + query] = ATTENTION_LN_2 * (max + log2f(sum));
  shared.write(out + head.plain() + (long long)query * head.width, sums, mask.dropout.scale / sum);
}

// What a score and <dO, V> give: (Z ⊙ P) and dS, the latter less its factor s. logSumExp is to base 2.
struct Derivative {
  float dropped, ds;

  __device__ Derivative(float score, float dp, float logSumExp, float dot, bool seen, bool kept, float dropScale) {
    float p = seen ? exp2f(score - logSumExp) : 0;
    dropped = kept ? p * dropScale : 0;
    ds = p * ((kept ? dp * dropScale : 0) - dot);
  }
};

__device__ __forceinline__ void backwardQueries(const bf16* qkv, const bf16* out, const float* logSumExp, const bf16* dout,
                                                float2* rows, bf16* dqkv, const AttentionHead& head, bool causal,
                                                float scale, const Mask& mask, const Shared& shared) {
  int first = int(gridDim.x - 1 - blockIdx.x) * WARPS, query = first + int(threadIdx.x / 32), lane = threadIdx.x % 32;
  int length = head.length, stride = head.packedStride();
  bool exists = query < length;
  long long plain = head.plain() + (long long)query * head.width;
  const bf16* queries = qkv + head.packed();
  shared.copyRow(shared.own(0), queries + (long long)query * stride, exists);
  shared.copyRow(shared.own(1), dout + plain, exists);
  float l = 0, dot = 0;
  if (exists) {
    l = logSumExp[head.rows() + query] * ATTENTION_LOG2_E;
    for (int c = lane; c < head.headWidth; c += 32) dot = fmaf(toFloat(dout[plain + c]), toFloat(out[plain + c]), dot);
    dot = warpSum(dot);
    if (lane == 0) rows[head.rows() + query] = make_float2(l, dot);
  }
  Columns dq = {};
  int seen = keysSeen(causal, query + 1, length);
  for (int tile = 0; tile < keysSeen(causal, first + WARPS, length); tile += TILE) {
    const bf16* keys = queries + head.width + (long long)tile * stride;
    __syncthreads();  // all are done with the tile before
    shared.copyTile(0, keys, stride, length - tile);
    shared.copyTile(1, keys + head.width, stride, length - tile);
    __syncthreads();
    if (!exists || tile >= seen) continue;
    int key = tile + lane;
    Derivative d(shared.dot(0, 0) * scale * ATTENTION_LOG2_E, shared.dot(1, 1), l, dot, key < seen,
                 mask.keeps(head, query, key), mask.dropout.scale);
    shared.accumulate(dq, d.ds, 0);
  }
  if (exists) shared.write(dqkv + head.packed() + (long long)query * stride, dq, scale);
}

__device__ __forceinline__ void backwardKeys(const bf16* qkv, const bf16* dout, const float2* rows, bf16* dqkv,
                                             const AttentionHead& head, bool causal, float scale, const Mask& mask,
                                             const Shared& shared) {
  // The first keys are seen by the most queries: their blocks start first.
  int first = int(blockIdx.x) * WARPS, key = first + int(threadIdx.x / 32), lane = threadIdx.x % 32;
  int length = head.length, stride = head.packedStride();
  bool exists = key < length;
  const bf16* queries = qkv + head.packed();
  const bf16* own = queries + head.width + (long long)key * stride;
  shared.copyRow(shared.own(0), own, exists);
  shared.copyRow(shared.own(1), own + head.width, exists);
  Columns dk = {}, dv = {};
  for (int tile = causal ? first / TILE * TILE : 0; tile < length; tile += TILE) {
    __syncthreads();  // all are done with the tile before
    shared.copyTile(0, queries + (long long)tile * stride, stride, length - tile);
    shared.copyTile(1, dout + head.plain() + (long long)tile * head.width, head.width, length - tile);
    __syncthreads();
    if (!exists || (causal && tile + TILE <= key)) continue;
    int query = tile + lane;
    bool seen = (!causal || query >= key) && query < length;
    float2 row = seen ? rows[head.rows() + query] : make_float2(0, 0);
    Derivative d(shared.dot(0, 0) * scale * ATTENTION_LOG2_E, shared.dot(1, 1), row.x, row.y, seen,
                 mask.keeps(head, query, key), mask.dropout.scale);
    shared.accumulate(dk, d.ds, 0);
    shared.accumulate(dv, d.dropped, 1);
  }
  if (!exists) return;
  bf16* to = dqkv + head.packed() + head.width + (long long)key * stride;
  shared.write(to, dk, scale);
  shared.write(to + head.width, dv, 1);
}

}  // namespace attention_plain

extern "C" __global__ void __launch_bounds__(256, 3)
    attention_plain_forward_bf16(const bf16* qkv, bf16* out, float* logSumExp, int length, int heads, int headWidth,
                                 int causal, float scale, unsigned dropBelow, float dropScale, unsigned long long seed,
                                 unsigned long long stream, const unsigned long long* firstToken,
                                 unsigned long long perToken) {
  SPARROW_DYNAMIC_SHARED(bf16, shared);
  attention_plain::forward(qkv, out, logSumExp, AttentionHead(length, heads, headWidth), causal != 0, scale,
                           attention_plain::Mask(dropBelow, dropScale, seed, stream, firstToken, perToken),
                           attention_plain::Shared(shared, headWidth));
}

extern "C" __global__ void __launch_bounds__(256, 3)
    attention_plain_backward_queries_bf16(const bf16* qkv, const bf16* out, const float* logSumExp, const bf16* dout,
                                          float2* rows, bf16* dqkv, int length, int heads, int headWidth, int causal,
                                          float scale, unsigned dropBelow, float dropScale, unsigned long long seed,
                                          unsigned long long stream, const unsigned long long* firstToken,
                                          unsigned long long perToken) {
  SPARROW_DYNAMIC_SHARED(bf16, shared);
  attention_plain::backwardQueries(qkv, out, logSumExp, dout, rows, dqkv, AttentionHead(length, heads, headWidth),
                                   causal != 0, scale,
                                   attention_plain::Mask(dropBelow, dropScale, seed, stream, firstToken, perToken),
                                   attention_plain::Shared(shared, headWidth));
}

extern "C" __global__ void __launch_bounds__(256, 3)
    attention_plain_backward_keys_bf16(const bf16* qkv, const bf16* dout, const float2* rows, bf16* dqkv, int length,
                                       int heads, int headWidth, int causal, float scale, unsigned dropBelow, float dropScale,
                                       unsigned long long seed, unsigned long long stream,
                                       const unsigned long long* firstToken, unsigned long long perToken) {
  SPARROW_DYNAMIC_SHARED(bf16, shared);
  attention_plain::backwardKeys(qkv, dout, rows, dqkv, AttentionHead(length, heads, headWidth), causal != 0, scale,
                                attention_plain::Mask(dropBelow, dropScale, seed, stream, firstToken, perToken),
                                attention_plain::Shared(shared, headWidth));
}
