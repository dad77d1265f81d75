// Causal flash attention in bf16 on mma.sync, sm_80 and up: O = softmax(s·Q·Kᵀ, keys up to the query)·V (Dao et al. 2022,
// Algorithm 1, with the loops exchanged and the normalisation last as in Dao 2023, §3.1).
//
//   qkv (tokens, 3·width)  a token's queries, keys and values, heads side by side; token = sequence·length + position
//   out (tokens, width)    width = heads·D
//   logSumExp (sequences·heads, length)  fp32, natural logarithm, of the scaled scores: what backward needs
//
// attention_forward_bf16_d64 and _d128 are for D = 64 and 128. Grid: (ceil(length / 64), heads, sequences). Block: 128
// threads. Dynamic shared memory: Attention<D>::SHARED_BYTES. qkv and out are 16-byte aligned.
//
// A block takes 64 queries, a warp 16 of them. Keys and values come in tiles of 64, two stages by cp.async; scores and
// probabilities never leave the registers: the layout of a product's result is that of the next one's left operand.
#include "common/types.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/mma.cuh"
#include "tile/operand_tile.cuh"

template <int D>
struct Attention {
  static constexpr int QUERIES = 64, KEYS = 64, THREADS = 128, STAGES = 2;
  using QueryTile = OperandTile<QUERIES, D, true>;  // left of Q·Kᵀ
  using KeyTile = OperandTile<KEYS, D, true>;       // right of Q·Kᵀ
  using ValueTile = OperandTile<D, KEYS, false>;    // right of P·V, whose depth is the keys
  static constexpr int STAGE_ELEMENTS = KeyTile::ELEMENTS + ValueTile::ELEMENTS;
  static constexpr int SHARED_BYTES = (QueryTile::ELEMENTS + STAGES * STAGE_ELEMENTS) * 2;

  // What a warp keeps of its 16 queries; a thread has rows g = lane / 4 and g + 8.
  struct Rows {
    float out[D / 8][4] = {};
    float max[2] = {-INFINITY, -INFINITY};  // of the scores, scaled to base 2
    float sum[2] = {0, 0};                  // this thread's columns' share
  };

  static __device__ void fetch(bf16* stage, const bf16* keys, const bf16* values, long long stride, int first, int length) {
    KeyTile::template load<THREADS>(stage, keys + first * stride, stride, length - first, D);
    ValueTile::template load<THREADS>(stage + KeyTile::ELEMENTS, values + first * stride, stride, D, length - first);
  }

  // (16, 64) scores of the warp's queries with a tile of keys.
  static __device__ void scores(float (&s)[KEYS / 8][4], const unsigned (&q)[D / 16][4], const bf16* keys) {
#pragma unroll
    for (int j = 0; j < KEYS / 8; j += 2) {
#pragma unroll
      for (int d = 0; d < D / 16; d++) {
        unsigned k[4];
        KeyTile::right(k, keys, 8 * j, 16 * d);
        const unsigned left[2] = {k[0], k[1]}, right[2] = {k[2], k[3]};
        ptx::mma16816(s[j], q[d], left, s[j]);
        ptx::mma16816(s[j + 1], q[d], right, s[j + 1]);
      }
    }
  }

  // Turns scores into probabilities against the running maximum and rescales what was summed before.
  static __device__ void softmax(float (&s)[KEYS / 8][4], Rows& rows, float scale, int query, int key, bool masked) {
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float top = rows.max[half];
#pragma unroll
      for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; i++) {
          bool seen = !masked || key + 8 * j + column + i % 2 <= query + 8 * half;
          s[j][i] = seen ? s[j][i] * scale : -INFINITY;
          top = fmaxf(top, s[j][i]);
        }
      // The row lies in four neighbouring lanes.
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
      float kept = exp2f(rows.max[half] - top);  // the first tile holds key 0, which every query sees: top is finite
      rows.max[half] = top;
      rows.sum[half] *= kept;
#pragma unroll
      for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; i++) {
          s[j][i] = exp2f(s[j][i] - top);
          rows.sum[half] += s[j][i];
        }
#pragma unroll
      for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; i++) rows.out[j][i] *= kept;
    }
  }

  static __device__ unsigned pack(float low, float high) {
    bf162 pair = __floats2bfloat162_rn(low, high);
    unsigned bits;
    memcpy(&bits, &pair, 4);
    return bits;
  }

  // out += P·V
  static __device__ void addValues(Rows& rows, const float (&p)[KEYS / 8][4], const bf16* values) {
#pragma unroll
    for (int k = 0; k < KEYS / 16; k++) {
      const unsigned left[4] = {pack(p[2 * k][0], p[2 * k][1]), pack(p[2 * k][2], p[2 * k][3]),
                                pack(p[2 * k + 1][0], p[2 * k + 1][1]), pack(p[2 * k + 1][2], p[2 * k + 1][3])};
#pragma unroll
      for (int j = 0; j < D / 8; j += 2) {
        unsigned v[4];
        ValueTile::right(v, values, 8 * j, 16 * k);
        const unsigned first[2] = {v[0], v[1]}, second[2] = {v[2], v[3]};
        ptx::mma16816(rows.out[j], left, first, rows.out[j]);
        ptx::mma16816(rows.out[j + 1], left, second, rows.out[j + 1]);
      }
    }
  }

  static __device__ void write(const Rows& rows, bf16* out, float* logSumExp, long long stride, int query, int length) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float sum = rows.sum[half];
      sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      sum += __shfl_xor_sync(0xffffffffu, sum, 2);
      int row = query + 8 * half;
      if (row >= length) continue;
      float scale = 1 / sum;
      if (lane % 4 == 0) logSumExp[row] = 0.69314718055994531f * (rows.max[half] + log2f(sum));
#pragma unroll
      for (int j = 0; j < D / 8; j++)
        *reinterpret_cast<bf162*>(out + row * stride + 8 * j + lane % 4 * 2) =
            __floats2bfloat162_rn(rows.out[j][2 * half] * scale, rows.out[j][2 * half + 1] * scale);
    }
  }

  static __device__ void forward(const bf16* qkv, bf16* out, float* logSumExp, int length, int heads, float scale) {
    SPARROW_DYNAMIC_SHARED(bf16, shared);
    bf16* stages = shared + QueryTile::ELEMENTS;
    // The last queries see the most keys: their blocks start first.
    int first = (gridDim.x - 1 - blockIdx.x) * QUERIES;
    int head = blockIdx.y, sequence = blockIdx.z, width = heads * D;
    long long stride = 3LL * width, token = (long long)sequence * length;
    const bf16* queries = qkv + token * stride + head * D;
    const bf16 *keys = queries + width, *values = keys + width;

    QueryTile::template load<THREADS>(shared, queries + first * stride, stride, length - first, D);
    fetch(stages, keys, values, stride, 0, length);
    ptx::cpAsyncCommit();

    int warpRow = threadIdx.x / 32 * 16, query = first + warpRow + threadIdx.x % 32 / 4;
    int seen = min(first + QUERIES, length), tiles = (seen + KEYS - 1) / KEYS;
    unsigned q[D / 16][4];
    Rows rows;
    for (int tile = 0; tile < tiles; tile++) {
      ptx::cpAsyncWait<0>();
      // This tile is there for all, and all are done with the stage that is filled next.
      __syncthreads();
      if (tile + 1 < tiles)
        fetch(stages + (tile + 1) % STAGES * STAGE_ELEMENTS, keys, values, stride, (tile + 1) * KEYS, length);
      ptx::cpAsyncCommit();
      if (tile == 0) {
#pragma unroll
        for (int d = 0; d < D / 16; d++) QueryTile::left(q[d], shared, warpRow, 16 * d);
      }
      const bf16* stage = stages + tile % STAGES * STAGE_ELEMENTS;
      float s[KEYS / 8][4] = {};
      scores(s, q, stage);
      bool masked = (tile + 1) * KEYS > first + warpRow;
      softmax(s, rows, scale * 1.4426950408889634f, query, tile * KEYS, masked);
      addValues(rows, s, stage + KeyTile::ELEMENTS);
    }
    write(rows, out + token * width + head * D, logSumExp + ((long long)sequence * heads + head) * length, width, query, length);
  }
};

#define ATTENTION_ENTRY(d)                                                                                                \
  extern "C" __global__ void __launch_bounds__(128)                                                                       \
      attention_forward_bf16_d##d(const bf16* qkv, bf16* out, float* logSumExp, int length, int heads, float scale) {      \
    Attention<d>::forward(qkv, out, logSumExp, length, heads, scale);                                                     \
  }

ATTENTION_ENTRY(64)
ATTENTION_ENTRY(128)
