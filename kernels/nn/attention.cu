// Flash attention, causal or full, forward, in bf16 on mma.sync, sm_80 and up (Dao et al. 2022, Algorithm 1, with the loops
// exchanged and the normalisation last as in Dao 2023, §3.1). One head, s = 1/sqrt(headWidth):
//
//   S = s·Q·Kᵀ, S_ij = -inf for j > i where causal;   L_i = log Σ_j exp(S_ij);   P = exp(S - L);   O = (Z ⊙ P)·V
//
// where Z is 1 without dropout and, with it, 1/(1 - p) for a probability that is kept and 0 for one that is not. Layouts and
// the numbering of the draws: nn/attention.cuh.
//
//   attention_forward_bf16_d<D>, attention_forward_dropout_bf16_d<D>  for D = 32, 64, 128, causal
//   attention_full_forward_bf16_d<D>, attention_full_forward_dropout_bf16_d<D>, in which every query sees every key
//
// serve the head widths up to D that are multiples of 8; the columns from headWidth to D are zeros in shared memory. scale is
// s, positive. logSumExp, which is L, may be null. qkv and out are 16-byte aligned. dropBelow, dropScale, seed, stream,
// firstToken and perToken are those of dropout_bf16; the draws of one launch follow number *firstToken·perToken.
// Grid: (ceil(length / 128), heads, sequences). Block: 128 threads. Dynamic shared memory: ForwardTiles<D>::SHARED_BYTES,
// that is 24, 48 and 80 KiB.
//
// A block takes 128 queries, a warp 32 of them: each fragment of keys or values that comes from shared memory then serves two
// products, without which mma.sync would wait for shared memory. Keys and values come in tiles of 64 through a ring of slots
// by cp.async. Scores and probabilities never leave the registers.
#include "common/types.cuh"
#include "nn/attention.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/exp2.cuh"
#include "tile/causal_tile.cuh"
#include "tile/operand_tile.cuh"
#include "tile/warp_product.cuh"

// Tile choice as data. Queries that do not fit into registers beside the sums are read from shared memory for each tile.
template <int D>
struct ForwardTiles {
  static constexpr int THREADS = 128, BLOCKS = D == 32 ? 3 : 2;  // on a multiprocessor at once
  static constexpr int MI = 2, QUERIES = THREADS / 32 * 16 * MI, KEYS = 64;
  static constexpr int SLOTS = D == 128 ? 3 : 4;  // 3: two blocks fit into the 164 KiB of sm_80
  static constexpr bool QUERIES_IN_REGISTERS = D <= 64;
  using Query = OperandTile<QUERIES, D, true>;  // left of Q·Kᵀ
  using Key = OperandTile<KEYS, D, true>;       // right of Q·Kᵀ
  using Value = OperandTile<D, KEYS, false>;    // right of P·V, whose depth is the keys; laid out like Key
  static constexpr int SHARED_BYTES = (Query::ELEMENTS + SLOTS * Key::ELEMENTS) * 2;
};

template <int D, bool CAUSAL, bool DROPOUT>
struct AttentionForward : ForwardTiles<D> {
  using Tiles = ForwardTiles<D>;
  using typename Tiles::Key;
  using typename Tiles::Query;
  using typename Tiles::Value;
  using Tiles::KEYS;
  using Tiles::MI;
  using Tiles::QUERIES;
  using Tiles::QUERIES_IN_REGISTERS;
  using Tiles::SLOTS;
  using Tiles::THREADS;
  static constexpr int NI = KEYS / 8;
  using Kept = KeptTile<TileRows::QUERIES, MI>;
  using Scores = float[MI][NI][4];
  using Probabilities = unsigned[NI / 2][MI][4];  // as left operands

  AttentionHead head;
  const bf16* queries;  // of the head
  AttentionDropout dropout;
  float scale;  // to base 2
  bf16* shared;
  int first;    // query of the block
  int query;    // first of the warp
  int tiles;
  unsigned q[QUERIES_IN_REGISTERS ? D / 16 : 1][MI][4];
  // Row 16i + 8·half + lane / 4 of the warp is [i][half].
  float out[MI][D / 8][4] = {};
  float max[MI][2];       // of the scores, unscaled
  float sum[MI][2] = {};  // of this thread's columns

  __device__ AttentionForward(const bf16* qkv_, AttentionHead head_, AttentionDropout dropout_, float scale_, bf16* shared_)
      : head(head_), queries(qkv_ + head.packed()), dropout(dropout_), scale(scale_ * ATTENTION_LOG2_E), shared(shared_),
        // The last queries see the most keys: their blocks start first.
        first(int(gridDim.x - 1 - blockIdx.x) * QUERIES), query(first + warpRow()),
        tiles(((CAUSAL ? min(first + QUERIES, head.length) : head.length) + KEYS - 1) / KEYS) {
#pragma unroll
    for (int i = 0; i < MI; i++) max[i][0] = max[i][1] = -INFINITY;
  }

  __device__ static int warpRow() { return threadIdx.x / 32 * 16 * MI; }

  // Operand number 2n is the keys of tile n, 2n + 1 its values. Offset of its slot in shared memory:
  __device__ static int slot(int number) { return Query::ELEMENTS + number % SLOTS * Key::ELEMENTS; }

  __device__ void fetch(int number) const {
    if (number < 2 * tiles) {
      int key = number / 2 * KEYS;
      const bf16* from = queries + (1 + number % 2) * head.width + (long long)key * head.packedStride();
      Key::template loadRows<THREADS>(shared + slot(number), from, head.packedStride(), head.length - key, head.headWidth);
    }
    ptx::cpAsyncCommit();
  }

  __device__ void start() const {
    const bf16* from = queries + (long long)first * head.packedStride();
    Query::template loadRows<THREADS>(shared, from, head.packedStride(), head.length - first, head.headWidth);
#pragma unroll
    for (int number = 0; number < SLOTS - 1; number++) fetch(number);
  }

  // Waits for an operand and starts fetching the one that takes the slot of the operand before it.
  __device__ int await(int number) const {
    ptx::cpAsyncWait<SLOTS - 2>();
    // The operand is there for all threads, and all are done with the one before.
    __syncthreads();
    fetch(number + SLOTS - 1);
    return slot(number);
  }

  __device__ void loadQueries(int d) {
    int lane = warpRow() * D + Query::leftLane();
#pragma unroll
    for (int i = 0; i < MI; i++) Query::fragments(q[QUERIES_IN_REGISTERS ? d : 0][i], shared, lane, 16 * i, 16 * d);
  }

  __device__ void score(Scores& s, int keys) {
#pragma unroll
    for (int d = 0; d < D / 16; d++) {
      if (!QUERIES_IN_REGISTERS) loadQueries(d);
      addProduct<Key>(s, q[QUERIES_IN_REGISTERS ? d : 0], shared, keys + Key::rightLane(), 16 * d);
    }
  }

  // Turns scores into probabilities against the running maximum and rescales what was summed before.
  __device__ void softmax(Scores& s) {
#pragma unroll
    for (int i = 0; i < MI; i++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float top = max[i][half];
#pragma unroll
        for (int j = 0; j < NI; j++) top = fmaxf(top, fmaxf(s[i][j][2 * half], s[i][j][2 * half + 1]));
        // The row lies in four neighbouring lanes.
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
        // The first tile holds key 0, which every query sees: top is finite.
        float kept = ptx::exp2Approximate((max[i][half] - top) * scale), shift = -top * scale, added = 0;
        max[i][half] = top;
#pragma unroll
        for (int j = 0; j < NI; j++)
#pragma unroll
          for (int e = 2 * half; e < 2 * half + 2; e++) {
            s[i][j][e] = ptx::exp2Approximate(fmaf(s[i][j][e], scale, shift));
            added += s[i][j][e];
          }
        sum[i][half] = fmaf(sum[i][half], kept, added);
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
          out[i][j][2 * half] *= kept;
          out[i][j][2 * half + 1] *= kept;
        }
      }
  }

  __device__ void attend(Probabilities& p, int key, int keys) {
    Kept kept[NI / 4];
    if (DROPOUT) {
#pragma unroll
      for (int part = 0; part < NI / 4; part++)
        kept[part] = Kept::draw(query, key + 32 * part, [&](int i, int j) {
          return dropout.template keptBits<Kept::RUN>(dropout.draw(head, i, j));
        });
    }
    Scores s = {};
    score(s, keys);
    if (CAUSAL && key + KEYS > query) hideFuture<TileRows::QUERIES>(s, query, key);
    if (!CAUSAL && key + KEYS > head.length) hideAbsent(s, key, head.length);
    softmax(s);
    if (DROPOUT) {
#pragma unroll
      for (int part = 0; part < NI / 4; part++)
        kept[part].forElements([&](int i, int j, int e, bool isKept) { if (!isKept) s[i][4 * part + j][e] = 0; });
    }
#pragma unroll
    for (int step = 0; step < NI / 2; step++) leftOf(p[step], s, step);
  }

  __device__ void addValues(const Probabilities& p, int values) {
#pragma unroll
    for (int step = 0; step < NI / 2; step++) addProduct<Value>(out, p[step], shared, values + Value::rightLane(), 16 * step);
  }

  __device__ void write(bf16* to, float* logSumExp) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < MI; i++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float total = sum[i][half];
        total += __shfl_xor_sync(0xffffffffu, total, 1);
        total += __shfl_xor_sync(0xffffffffu, total, 2);
        int row = query + 16 * i + 8 * half + lane / 4;
        if (logSumExp != nullptr && lane % 4 == 0 && row < head.length)
          logSumExp[head.rows() + row] = ATTENTION_LN_2 * (max[i][half] * scale + log2f(total));
        float factor = dropout.scale / total;
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
          out[i][j][2 * half] *= factor;
          out[i][j][2 * half + 1] *= factor;
        }
      }
    to += head.plain() + (long long)query * head.width;
    storeRows<Query>(out, shared, warpRow(), to, head.width, head.length - query, head.headWidth);
  }

  __device__ void run(bf16* to, float* logSumExp) {
    start();
    for (int tile = 0; tile < tiles; tile++) {
      int key = tile * KEYS, keys = await(2 * tile);
      if (QUERIES_IN_REGISTERS && tile == 0) {
#pragma unroll
        for (int d = 0; d < D / 16; d++) loadQueries(d);
      }
      bool seen = !CAUSAL || key < query + 16 * MI;  // by any query of the warp
      Probabilities p;
      if (seen) attend(p, key, keys);
      int values = await(2 * tile + 1);
      if (seen) addValues(p, values);
    }
    write(to, logSumExp);
  }
};

#define ATTENTION_ENTRIES(name, causal, d)                                                                                    \
  extern "C" __global__ void __launch_bounds__(ForwardTiles<d>::THREADS, ForwardTiles<d>::BLOCKS)                             \
      name##_bf16_d##d(const bf16* qkv, bf16* out, float* logSumExp, int length, int heads, int headWidth,                    \
                                  float scale) {                                                                              \
    SPARROW_DYNAMIC_SHARED(bf16, shared);                                                                                     \
    AttentionForward<d, causal, false>(qkv, AttentionHead(length, heads, headWidth), AttentionDropout(), scale, shared)       \
        .run(out, logSumExp);                                                                                                 \
  }                                                                                                                           \
  extern "C" __global__ void __launch_bounds__(ForwardTiles<d>::THREADS, ForwardTiles<d>::BLOCKS)                             \
      name##_dropout_bf16_d##d(const bf16* qkv, bf16* out, float* logSumExp, int length, int heads,                           \
                                          int headWidth, float scale, unsigned dropBelow, float dropScale,                    \
                                          unsigned long long seed, unsigned long long stream,                                 \
                                          const unsigned long long* firstToken, unsigned long long perToken) {                \
    SPARROW_DYNAMIC_SHARED(bf16, shared);                                                                                     \
    AttentionForward<d, causal, true>(qkv, AttentionHead(length, heads, headWidth),                                           \
                              AttentionDropout(dropBelow, dropScale, seed, stream, firstToken, perToken), scale, shared)      \
        .run(out, logSumExp);                                                                                                 \
  }

ATTENTION_ENTRIES(attention_forward, true, 32)
ATTENTION_ENTRIES(attention_forward, true, 64)
ATTENTION_ENTRIES(attention_forward, true, 128)
ATTENTION_ENTRIES(attention_full_forward, false, 32)
ATTENTION_ENTRIES(attention_full_forward, false, 64)
ATTENTION_ENTRIES(attention_full_forward, false, 128)

#undef ATTENTION_ENTRIES
