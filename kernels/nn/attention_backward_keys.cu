// Flash attention, causal or full, backward, the part of keys and values, in bf16 on mma.sync, sm_80 and up (Dao et al. 2022,
// Algorithm 4). With the names of nn/attention.cu and nn/attention_backward_queries.cu, one head:
//
//   dV = (Z ⊙ P)ᵀ·dO;   dK = s·dSᵀ·Q
//
//   attention_backward_keys_bf16_d<D>, attention_backward_keys_dropout_bf16_d<D>  for D = 32, 64, 128, causal
//   attention_full_backward_keys_bf16_d<D>, attention_full_backward_keys_dropout_bf16_d<D>  likewise, full
//
// serve the head widths up to D that are multiples of 8, and assign the keys' and values' parts of dqkv (tokens, 3·width). rows
// (sequences·heads, length, 2) fp32, 8-byte aligned, holds (L_i·log₂e, D_i), from the kernel of the queries. The pointers to
// bf16 are 16-byte aligned. scale is s; dropout's arguments are the forward pass's. Grid: (ceil(length / KEYS), heads,
// sequences). Block: 128 threads. Dynamic shared memory: SHARED_BYTES. Both are KeyGradientTiles<D>'s: 128, 128, 64 keys and
// 33, 65, 64.5 KiB for D = 32, 64, 128.
//
// A warp owns its keys: it computes Sᵀ = K·Qᵀ and dPᵀ = V·dOᵀ, whose rows are keys, so that each result is the left operand of
// a product that sums over queries. Queries and rows of dO come in tiles, two stages by cp.async; the same tile is the right
// operand of Sᵀ or dPᵀ and, read across, of dK or dV.
#include "common/types.cuh"
#include "nn/attention.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/exp2.cuh"
#include "tile/causal_tile.cuh"
#include "tile/operand_tile.cuh"
#include "tile/warp_product.cuh"

// Tile choice as data. A warp has 16·MI keys and takes 32 queries at a time. Rows of keys and values that do not fit into
// registers beside the sums are read from shared memory each time.
template <int D>
struct KeyGradientTiles {
  static constexpr int THREADS = 128, BLOCKS = 2;
  static constexpr int MI = D == 128 ? 1 : 2, KEYS = THREADS / 32 * 16 * MI, QUERIES = D == 128 ? 32 : 64;
  static constexpr bool KEYS_IN_REGISTERS = D != 64, VALUES_IN_REGISTERS = D == 32;
  using Key = OperandTile<KEYS, D, true>;             // left of K·Qᵀ and of V·dOᵀ
  using Query = OperandTile<QUERIES, D, true>;        // right of K·Qᵀ and of V·dOᵀ
  using QueryAcross = OperandTile<D, QUERIES, false>;  // the same queries, right of dSᵀ·Q and of Pᵀ·dO
  static constexpr int STAGE_ELEMENTS = 2 * Query::ELEMENTS;
  static constexpr int ROWS_AT = 2 * Key::ELEMENTS + 2 * STAGE_ELEMENTS;  // elements of bf16 before the stages' float2
  static constexpr int SHARED_BYTES = ROWS_AT * 2 + 2 * QUERIES * int(sizeof(float2));
};

template <int D, bool CAUSAL, bool DROPOUT>
struct KeyGradient : KeyGradientTiles<D> {
  using Tiles = KeyGradientTiles<D>;
  using typename Tiles::Key;
  using typename Tiles::Query;
  using typename Tiles::QueryAcross;
  using Tiles::KEYS;
  using Tiles::KEYS_IN_REGISTERS;
  using Tiles::MI;
  using Tiles::QUERIES;
  using Tiles::STAGE_ELEMENTS;
  using Tiles::THREADS;
  using Tiles::VALUES_IN_REGISTERS;
  using Kept = KeptTile<TileRows::KEYS, MI>;
  using Scores = float[MI][4][4];

  AttentionHead head;
  const bf16* queries;  // of the head
  const bf16* outs;     // dO of the head
  const float2* rows;   // of all heads
  AttentionDropout dropout;
  float scale;
  bf16* shared;
  int first;  // key of the block
  int key;    // first of the warp
  unsigned k[KEYS_IN_REGISTERS ? D / 16 : 1][MI][4], v[VALUES_IN_REGISTERS ? D / 16 : 1][MI][4];
  float dk[MI][D / 8][4] = {}, dv[MI][D / 8][4] = {};

  __device__ KeyGradient(const bf16* qkv_, const bf16* dO_, const float2* rows_, AttentionHead head_,
                         AttentionDropout dropout_, float scale_, bf16* shared_)
      : head(head_), queries(qkv_ + head.packed()), outs(dO_ + head.plain()), rows(rows_), dropout(dropout_), scale(scale_),
        shared(shared_),
        // The first keys are seen by the most queries: their blocks start first.
        first(int(blockIdx.x) * KEYS), key(first + warpRow()) {}

  __device__ static int warpRow() { return threadIdx.x / 32 * 16 * MI; }
  __device__ static int stage(int tile) { return 2 * Key::ELEMENTS + tile % 2 * STAGE_ELEMENTS; }
  __device__ float2* stageRows(int tile) const {
    return reinterpret_cast<float2*>(shared + Tiles::ROWS_AT) + tile % 2 * QUERIES;
  }

  __device__ void fetch(int tile) const {
    int query = tile * QUERIES, left = head.length - query;
    if (left > 0) {
      bf16* to = shared + stage(tile);
      Query::template loadRows<THREADS>(to, queries + (long long)query * head.packedStride(), head.packedStride(), left,
                                        head.headWidth);
      Query::template loadRows<THREADS>(to + Query::ELEMENTS, outs + (long long)query * head.width, head.width, left,
                                        head.headWidth);
      int i = threadIdx.x;
      if (i < QUERIES) ptx::cpAsync8(stageRows(tile) + i, rows + head.rows() + query + i, i < left);
    }
    ptx::cpAsyncCommit();
  }

  // Fetches the block's keys and values and the first tile, and takes what of the former stays in registers.
  __device__ void start(int tile) {
    const bf16* keys = queries + head.width + (long long)first * head.packedStride();
#pragma unroll
    for (int part = 0; part < 2; part++)
      Key::template loadRows<THREADS>(shared + part * Key::ELEMENTS, keys + part * head.width, head.packedStride(),
                                      head.length - first, head.headWidth);
    fetch(tile);
    ptx::cpAsyncWait<0>();
    __syncthreads();
#pragma unroll
    for (int d = 0; d < D / 16; d++) {
      if (KEYS_IN_REGISTERS) load(k[d], 0, d);
      if (VALUES_IN_REGISTERS) load(v[d], Key::ELEMENTS, d);
    }
  }

  // The warp's rows of the keys or the values, whose tile starts at `tile`.
  __device__ void load(unsigned (&fragments)[MI][4], int tile, int d) const {
#pragma unroll
    for (int i = 0; i < MI; i++)
      Key::fragments(fragments[i], shared, tile + warpRow() * D + Key::leftLane(), 16 * i, 16 * d);
  }

  // sums += the warp's rows · 32 rows of a stage, transposed.
  template <bool IN_REGISTERS, int N>
  __device__ void product(Scores& sums, unsigned (&left)[N][MI][4], int tile, int right) {
#pragma unroll
    for (int d = 0; d < D / 16; d++) {
      if (!IN_REGISTERS) load(left[0], tile, d);
      addProduct<Query>(sums, left[IN_REGISTERS ? d : 0], shared, right + Query::rightLane(), 16 * d);
    }
  }

  // sums += left (keys, 32 queries) · 32 rows of a stage.
  __device__ void accumulate(float (&sums)[MI][D / 8][4], const Scores& left, int right) const {
#pragma unroll
    for (int step = 0; step < 2; step++) {
      unsigned fragments[MI][4];
      leftOf(fragments, left, step);
      addProduct<QueryAcross>(sums, fragments, shared, right + QueryAcross::rightLane(), 16 * step);
    }
  }

  // 32 queries from query on, whose rows in shared memory start at q, those of dO at dO.
  __device__ void add(int query, int q, int dO, const float2* stats) {
    Kept kept;
    if (DROPOUT)
      kept = Kept::draw(key, query, [&](int i, int j) {
        return dropout.template keptBits<Kept::RUN>(dropout.draw(head, i, j));
      });
    Scores p = {}, ds = {};
    product<KEYS_IN_REGISTERS>(p, k, 0, q);
    if (CAUSAL && query < key + 16 * MI) hideFuture<TileRows::KEYS>(p, key, query);
    product<VALUES_IN_REGISTERS>(ds, v, Key::ELEMENTS, dO);
    differentiate(p, ds, stats, kept);
    accumulate(dv, p, dO);
    accumulate(dk, ds, q);
  }

  // From Sᵀ and V·dOᵀ, in their places: (Z ⊙ P)ᵀ, less the scale of dropout, and dSᵀ.
  __device__ void differentiate(Scores& ps, Scores& dss, const float2* stats, const Kept& kept) const {
    auto element = [&](int i, int j, int e, bool isKept) {
      float2 row = stats[8 * j + threadIdx.x % 4 * 2 + e % 2];
      float p = ptx::exp2Approximate(fmaf(ps[i][j][e], scale * ATTENTION_LOG2_E, -row.x));
      ps[i][j][e] = isKept ? p : 0;
      dss[i][j][e] = p * fmaf(isKept ? dss[i][j][e] : 0, dropout.scale, -row.y);
    };
    if (DROPOUT) kept.forElements(element);
    else forElements<MI>([&](int i, int j, int e) { element(i, j, e, true); });
  }

  __device__ void write(bf16* dqkv) {
#pragma unroll
    for (int i = 0; i < MI; i++)
#pragma unroll
      for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          dk[i][j][e] *= scale;
          dv[i][j][e] *= dropout.scale;
        }
    bf16* to = dqkv + head.packed() + head.width + (long long)key * head.packedStride();
    storeRows<Key>(dk, shared, warpRow(), to, head.packedStride(), head.length - key, head.headWidth);
    storeRows<Key>(dv, shared + Key::ELEMENTS, warpRow(), to + head.width, head.packedStride(), head.length - key,
                   head.headWidth);
  }

  __device__ void run(bf16* dqkv) {
    int firstTile = CAUSAL ? first / QUERIES : 0, tiles = (head.length + QUERIES - 1) / QUERIES;
    start(firstTile);
    for (int tile = firstTile; tile < tiles; tile++) {
      ptx::cpAsyncWait<0>();
      // This tile is there for all threads, and all are done with the stage that is filled next.
      __syncthreads();
      fetch(tile + 1);
#pragma unroll 1
      for (int part = 0; part < QUERIES; part += 32) {
        int query = tile * QUERIES + part, q = stage(tile) + part * D;
        if (CAUSAL ? query + 32 > key : query < head.length) add(query, q, q + Query::ELEMENTS, stageRows(tile) + part);
      }
    }
    write(dqkv);
  }
};

#define ATTENTION_ENTRIES(name, causal, d)                                                                                    \
  extern "C" __global__ void __launch_bounds__(KeyGradientTiles<d>::THREADS, KeyGradientTiles<d>::BLOCKS)                     \
      name##_bf16_d##d(const bf16* qkv, const bf16* dout, const float2* rows, bf16* dqkv, int length,                         \
                                        int heads, int headWidth, float scale) {                                              \
    SPARROW_DYNAMIC_SHARED(bf16, shared);                                                                                     \
    KeyGradient<d, causal, false>(qkv, dout, rows, AttentionHead(length, heads, headWidth), AttentionDropout(), scale, shared)\
        .run(dqkv);                                                                                                           \
  }                                                                                                                           \
  extern "C" __global__ void __launch_bounds__(KeyGradientTiles<d>::THREADS, KeyGradientTiles<d>::BLOCKS)                     \
      name##_dropout_bf16_d##d(                                                                                               \
          const bf16* qkv, const bf16* dout, const float2* rows, bf16* dqkv, int length, int heads, int headWidth,            \
          float scale, unsigned dropBelow, float dropScale, unsigned long long seed, unsigned long long stream,               \
          const unsigned long long* firstToken, unsigned long long perToken) {                                                \
    SPARROW_DYNAMIC_SHARED(bf16, shared);                                                                                     \
    KeyGradient<d, causal, true>(qkv, dout, rows, AttentionHead(length, heads, headWidth),                                    \
                         AttentionDropout(dropBelow, dropScale, seed, stream, firstToken, perToken), scale, shared)           \
        .run(dqkv);                                                                                                           \
  }

ATTENTION_ENTRIES(attention_backward_keys, true, 32)
ATTENTION_ENTRIES(attention_backward_keys, true, 64)
ATTENTION_ENTRIES(attention_backward_keys, true, 128)
ATTENTION_ENTRIES(attention_full_backward_keys, false, 32)
ATTENTION_ENTRIES(attention_full_backward_keys, false, 64)
ATTENTION_ENTRIES(attention_full_backward_keys, false, 128)

#undef ATTENTION_ENTRIES
