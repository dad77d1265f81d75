// Flash attention, causal or full, backward, the queries' part, in bf16 on mma.sync, sm_80 and up (Dao et al. 2022,
// Algorithm 4). With the names of nn/attention.cu, P recomputed from L, one head:
//
//   D_i = <dO_i, O_i>;   dP = Z ⊙ (dO·Vᵀ);   dS = P ⊙ (dP - D);   dQ = s·dS·K
//
// O is what came out of the forward pass, dropout included: then Σ_j P_ij·dP_ij = D_i still.
//
//   attention_backward_queries_bf16_d<D>, attention_backward_queries_dropout_bf16_d<D>  for D = 32, 64, 128, causal
//   attention_full_backward_queries_bf16_d<D>, attention_full_backward_queries_dropout_bf16_d<D>  likewise, full
//
// serve the head widths up to D that are multiples of 8, and assign the queries' part of dqkv (tokens, 3·width). rows
// (sequences·heads, length, 2) fp32, 8-byte aligned, becomes (L_i·log₂e, D_i): the kernel of nn/attention_backward_keys.cu,
// which comes next on the stream, reads it. The pointers to bf16 are 16-byte aligned. scale is s; dropout's arguments are the
// forward pass's. Grid: (ceil(length / QUERIES), heads, sequences). Block: 128 threads. Dynamic shared memory: SHARED_BYTES.
// Both are QueryGradientTiles<D>'s: 128, 128, 64 queries and 32, 64, 64 KiB for D = 32, 64, 128.
//
// The two kernels each compute S and dP, seven products in place of five; in return every gradient is summed by one warp in
// registers in a fixed order: the same inputs give the same bits, and no partial sums pass through memory. A warp's rows of Q
// and dO stay in registers; keys and values come in tiles, two stages by cp.async; a result is the next left operand.
#include "common/types.cuh"
#include "nn/attention.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/exp2.cuh"
#include "tile/causal_tile.cuh"
#include "tile/operand_tile.cuh"
#include "tile/warp_product.cuh"

// Tile choice as data. A warp has 16·MI queries and takes 32 keys at a time.
template <int D>
struct QueryGradientTiles {
  static constexpr int THREADS = 128, BLOCKS = D == 32 ? 3 : 2;  // on a multiprocessor at once
  static constexpr int MI = D == 128 ? 1 : 2, QUERIES = THREADS / 32 * 16 * MI, KEYS = D == 128 ? 32 : 64;
  using Query = OperandTile<QUERIES, D, true>;    // left of Q·Kᵀ and of dO·Vᵀ
  using Key = OperandTile<KEYS, D, true>;         // right of Q·Kᵀ and of dO·Vᵀ
  using KeyAcross = OperandTile<D, KEYS, false>;  // the same keys, right of dS·K
  static constexpr int STAGE_ELEMENTS = 2 * Key::ELEMENTS;
  static constexpr int SHARED_BYTES = (2 * Query::ELEMENTS + 2 * STAGE_ELEMENTS) * 2;
  static_assert(Query::ELEMENTS <= STAGE_ELEMENTS, "O passes through the second stage");
};

template <int D, bool CAUSAL, bool DROPOUT>
struct QueryGradient : QueryGradientTiles<D> {
  using Tiles = QueryGradientTiles<D>;
  using typename Tiles::Key;
  using typename Tiles::KeyAcross;
  using typename Tiles::Query;
  using Tiles::KEYS;
  using Tiles::MI;
  using Tiles::QUERIES;
  using Tiles::STAGE_ELEMENTS;
  using Tiles::THREADS;
  using Kept = KeptTile<TileRows::QUERIES, MI>;
  using Scores = float[MI][4][4];

  AttentionHead head;
  const bf16* queries;  // of the head
  AttentionDropout dropout;
  float scale;
  bf16* shared;
  int first;  // query of the block
  int query;  // first of the warp
  int tiles;
  unsigned q[D / 16][MI][4], dout[D / 16][MI][4];
  float shift[MI][2];  // -L·log₂e; row 16i + 8·half + lane / 4 of the warp is [i][half]
  float dot[MI][2];    // D
  float dq[MI][D / 8][4] = {};

  __device__ QueryGradient(const bf16* qkv_, AttentionHead head_, AttentionDropout dropout_, float scale_, bf16* shared_)
      : head(head_), queries(qkv_ + head.packed()), dropout(dropout_), scale(scale_), shared(shared_),
        // The last queries see the most keys: their blocks start first.
        first(int(gridDim.x - 1 - blockIdx.x) * QUERIES), query(first + warpRow()),
        tiles(((CAUSAL ? min(first + QUERIES, head.length) : head.length) + KEYS - 1) / KEYS) {}

  __device__ static int warpRow() { return threadIdx.x / 32 * 16 * MI; }
  __device__ static int stage(int tile) { return 2 * Query::ELEMENTS + tile % 2 * STAGE_ELEMENTS; }

  __device__ void fetch(int tile) const {
    if (tile < tiles) {
      int key = tile * KEYS;
      const bf16* keys = queries + head.width + (long long)key * head.packedStride();
#pragma unroll
      for (int part = 0; part < 2; part++)
        Key::template loadRows<THREADS>(shared + stage(tile) + part * Key::ELEMENTS, keys + part * head.width,
                                        head.packedStride(), head.length - key, head.headWidth);
    }
    ptx::cpAsyncCommit();
  }

  __device__ static void load(unsigned (&fragments)[MI][4], const bf16* shared, int tile, int d) {
    int lane = tile + warpRow() * D + Query::leftLane();
#pragma unroll
    for (int i = 0; i < MI; i++) Query::fragments(fragments[i], shared, lane, 16 * i, 16 * d);
  }

  // Takes the warp's rows of Q and dO into registers, and D = <dO, O> from the same fragments of both.
  __device__ void start(const bf16* o, const bf16* dO, const float* logSumExp) {
    const bf16* from = queries + (long long)first * head.packedStride();
    long long row = head.plain() + (long long)first * head.width;
    int left = head.length - first;
    Query::template loadRows<THREADS>(shared, from, head.packedStride(), left, head.headWidth);
    Query::template loadRows<THREADS>(shared + Query::ELEMENTS, dO + row, head.width, left, head.headWidth);
    Query::template loadRows<THREADS>(shared + stage(1), o + row, head.width, left, head.headWidth);
    fetch(0);
    ptx::cpAsyncWait<0>();
    __syncthreads();
#pragma unroll
    for (int i = 0; i < MI; i++) dot[i][0] = dot[i][1] = 0;
#pragma unroll
    for (int d = 0; d < D / 16; d++) {
      unsigned out[MI][4];
      load(q[d], shared, 0, d);
      load(dout[d], shared, Query::ELEMENTS, d);
      load(out, shared, stage(1), d);
#pragma unroll
      for (int i = 0; i < MI; i++)
#pragma unroll
        for (int r = 0; r < 4; r++) dot[i][r % 2] += dotBf16(dout[d][i][r], out[i][r]);
    }
#pragma unroll
    for (int i = 0; i < MI; i++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        // The row lies in four neighbouring lanes.
        dot[i][half] += __shfl_xor_sync(0xffffffffu, dot[i][half], 1);
        dot[i][half] += __shfl_xor_sync(0xffffffffu, dot[i][half], 2);
        int row = rowOf(i, half);
        shift[i][half] = row < head.length ? -logSumExp[head.rows() + row] * ATTENTION_LOG2_E : 0;
      }
  }

  __device__ static float dotBf16(unsigned a, unsigned b) {
    bf162 x, y;
    memcpy(&x, &a, 4);
    memcpy(&y, &b, 4);
    return fmaf(__low2float(x), __low2float(y), __high2float(x) * __high2float(y));
  }

  __device__ int rowOf(int i, int half) const { return query + 16 * i + 8 * half + int(threadIdx.x % 32 / 4); }

  // For the kernel of the keys.
  __device__ void writeRows(float2* rows) const {
#pragma unroll
    for (int i = 0; i < MI; i++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int row = rowOf(i, half);
        if (threadIdx.x % 4 == 0 && row < head.length) rows[head.rows() + row] = make_float2(-shift[i][half], dot[i][half]);
      }
  }

  // From S and dO·Vᵀ, in place of the latter: dS.
  __device__ void differentiate(const Scores& s, Scores& ds, const Kept& kept) const {
    auto element = [&](int i, int j, int e, bool isKept) {
      float p = ptx::exp2Approximate(fmaf(s[i][j][e], scale * ATTENTION_LOG2_E, shift[i][e / 2]));
      ds[i][j][e] = p * fmaf(isKept ? ds[i][j][e] : 0, dropout.scale, -dot[i][e / 2]);
    };
    if (DROPOUT) kept.forElements(element);
    else forElements<MI>([&](int i, int j, int e) { element(i, j, e, true); });
  }

  // 32 keys from key on, whose rows in shared memory start at keys and, of their values, at values.
  __device__ void add(int key, int keys, int values) {
    Kept kept;
    if (DROPOUT)
      kept = Kept::draw(query, key, [&](int i, int j) {
        return dropout.template keptBits<Kept::RUN>(dropout.draw(head, i, j));
      });
    Scores s = {}, ds = {};
#pragma unroll
    for (int d = 0; d < D / 16; d++) addProduct<Key>(s, q[d], shared, keys + Key::rightLane(), 16 * d);
#pragma unroll
    for (int d = 0; d < D / 16; d++) addProduct<Key>(ds, dout[d], shared, values + Key::rightLane(), 16 * d);
    if (CAUSAL && key + 32 > query) hideFuture<TileRows::QUERIES>(s, query, key);
    if (!CAUSAL && key + 32 > head.length) hideAbsent(s, key, head.length);
    differentiate(s, ds, kept);
#pragma unroll
    for (int step = 0; step < 2; step++) {
      unsigned left[MI][4];
      leftOf(left, ds, step);
      addProduct<KeyAcross>(dq, left, shared, keys + KeyAcross::rightLane(), 16 * step);
    }
  }

  __device__ void run(const bf16* out, const float* logSumExp, const bf16* dO, float2* rows, bf16* dqkv) {
    start(out, dO, logSumExp);
    writeRows(rows);
    for (int tile = 0; tile < tiles; tile++) {
      ptx::cpAsyncWait<0>();
      // This tile is there for all threads, and all are done with the stage that is filled next.
      __syncthreads();
      fetch(tile + 1);
#pragma unroll 1
      for (int part = 0; part < KEYS; part += 32) {
        int key = tile * KEYS + part, keys = stage(tile) + part * D;
        if (CAUSAL ? key < query + 16 * MI : key < head.length) add(key, keys, keys + Key::ELEMENTS);
      }
    }
#pragma unroll
    for (int i = 0; i < MI; i++)
#pragma unroll
      for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) dq[i][j][e] *= scale;
    dqkv += head.packed() + (long long)query * head.packedStride();
    storeRows<Query>(dq, shared, warpRow(), dqkv, head.packedStride(), head.length - query, head.headWidth);
  }
};

#define ATTENTION_ENTRIES(name, causal, d)                                                                                    \
  extern "C" __global__ void __launch_bounds__(QueryGradientTiles<d>::THREADS, QueryGradientTiles<d>::BLOCKS)                 \
      name##_bf16_d##d(const bf16* qkv, const bf16* out, const float* logSumExp, const bf16* dout,                            \
                                           float2* rows, bf16* dqkv, int length, int heads, int headWidth, float scale) {     \
    SPARROW_DYNAMIC_SHARED(bf16, shared);                                                                                     \
    QueryGradient<d, causal, false>(qkv, AttentionHead(length, heads, headWidth), AttentionDropout(), scale, shared)          \
        .run(out, logSumExp, dout, rows, dqkv);                                                                               \
  }                                                                                                                           \
  extern "C" __global__ void __launch_bounds__(QueryGradientTiles<d>::THREADS, QueryGradientTiles<d>::BLOCKS)                 \
      name##_dropout_bf16_d##d(                                                                                               \
          const bf16* qkv, const bf16* out, const float* logSumExp, const bf16* dout, float2* rows, bf16* dqkv, int length,   \
          int heads, int headWidth, float scale, unsigned dropBelow, float dropScale, unsigned long long seed,                \
          unsigned long long stream, const unsigned long long* firstToken, unsigned long long perToken) {                     \
    SPARROW_DYNAMIC_SHARED(bf16, shared);                                                                                     \
    QueryGradient<d, causal, true>(qkv, AttentionHead(length, heads, headWidth),                                              \
                           AttentionDropout(dropBelow, dropScale, seed, stream, firstToken, perToken), scale, shared)         \
        .run(out, logSumExp, dout, rows, dqkv);                                                                               \
  }

ATTENTION_ENTRIES(attention_backward_queries, true, 32)
ATTENTION_ENTRIES(attention_backward_queries, true, 64)
ATTENTION_ENTRIES(attention_backward_queries, true, 128)
ATTENTION_ENTRIES(attention_full_backward_queries, false, 32)
ATTENTION_ENTRIES(attention_full_backward_queries, false, 64)
ATTENTION_ENTRIES(attention_full_backward_queries, false, 128)

#undef ATTENTION_ENTRIES
