// Table look-ups, learned positions, rotary positions, and the mean of a sequence.
//
//   embedding            out_i = table[ids_i]  (+ positions[start + i mod length] where positions is not null)
//   embedding_backward   dtable[ids_i] += dout_i
//   add_positions        x_i += positions[start + i mod length];   backward  dpositions[start + t] += Σ_b dx[b·length + t]
//   rotary               (a, b) -> (a·cos - b·sin, b·cos + a·sin) for pair j of a head of width D at position p, angle
//                        p·theta^(-2j/D), a = element j, b = element j + D/2 (Su et al. 2021, RoFormer; halves convention)
//   sequence_mean        out_b = (1/length)·Σ_t x[b·length + t];   backward  dx[b·length + t] = dout_b / length
//
// ids I32 (n) in [0, vocabulary); table (vocabulary, width), positions (context, width), x, out, dout (n, width) are T, one of
// fp32 and bf16; dtable and dpositions are fp32. A mean's
// out and dout (sequences, width) are T. qkv (tokens, 3·heads·D) T; its queries and keys are turned in place, by the fp32
// tables cos and sin (positions, D/2); inverse turns back: the backward pass, on dqkv.
//
// The backward of a look-up has no float atomics and does work in proportion to n: the ids are sorted, stably, so that rows of
// one id are neighbours in ascending order of i. CHUNK neighbours are summed by a block; what belongs to an id whose run leaves the
// chunk goes to partials (chunks, 2, width) fp32, and embedding_join_f32 adds these in order. The bits depend on ids and
// dout alone. The sort is a radix sort by digits of 8 bits, from the lowest: for shift = 0, 8, .. while (vocabulary - 1) >> shift
// is not 0 (and at least once), id_sort_count_i32, id_sort_scan_i32, id_sort_scatter_i32.
//
// Launch contract, one-dimensional grids and blocks, blocks multiples of 32:
//   embedding, add_positions, rotary, sequence_mean      any grid; a block takes rows blockIdx.x, blockIdx.x + gridDim.x, ..
//   backward passes of add_positions and sequence_mean   likewise
//   id_sort_count, id_sort_scatter                       a block of 32 threads for each tile of TILE ids
//   id_sort_scan                                         one block
//   embedding_backward, embedding_join                   a block for each chunk of CHUNK ids
// Rows are read 16 bytes at a time where widths and addresses permit.
#include "common/chunk.cuh"
#include "common/types.cuh"

namespace embedding {

constexpr int TILE = 1024, DIGITS = 256, CHUNK = 32;

// Calls body(Width<w>, column) for the columns of a row, split over the block.
template <int WIDTH, typename Body>
__device__ __forceinline__ void forColumns(int width, bool wide, Body body) {
  if (wide)
    for (int c = threadIdx.x * WIDTH; c < width; c += blockDim.x * WIDTH) body(Width<WIDTH>(), c);
  else
    for (int c = threadIdx.x; c < width; c += blockDim.x) body(Width<1>(), c);
}

template <int WIDTH>
__device__ __forceinline__ void add(Chunk<WIDTH>& to, const Chunk<WIDTH>& from) {
#pragma unroll
  for (int i = 0; i < WIDTH; i++) to.at[i] += from.at[i];
}

template <int WIDTH>
__device__ __forceinline__ void scale(Chunk<WIDTH>& x, float factor) {
#pragma unroll
  for (int i = 0; i < WIDTH; i++) x.at[i] *= factor;
}

template <typename T>
__device__ __forceinline__ void forward(const int* ids, const T* table, const T* positions, int length, int start, T* out,
                                        long long n, int width) {
  constexpr int SIZE = Pack<T>::SIZE;
  bool wide = width % SIZE == 0 && isAligned16(table) && isAligned16(positions) && isAligned16(out);
  for (long long i = blockIdx.x; i < n; i += gridDim.x) {
    const T* from = table + (long long)ids[i] * width;
    const T* position = positions == nullptr ? nullptr : positions + (start + i % length) * width;
    forColumns<SIZE>(width, wide, [&](auto w, int c) {
      constexpr int WIDTH = decltype(w)::value;
      auto row = loadChunk<WIDTH>(from + c);
      if (position != nullptr) add(row, loadChunk<WIDTH>(position + c));
      storeChunk<WIDTH>(out + i * width + c, row);
    });
  }
}

template <typename T>
__device__ __forceinline__ void addPositions(const T* positions, int length, int start, T* x, long long n, int width) {
  constexpr int SIZE = Pack<T>::SIZE;
  bool wide = width % SIZE == 0 && isAligned16(positions) && isAligned16(x);
  for (long long i = blockIdx.x; i < n; i += gridDim.x) {
    const T* position = positions + (start + i % length) * width;
    forColumns<SIZE>(width, wide, [&](auto w, int c) {
      constexpr int WIDTH = decltype(w)::value;
      auto row = loadChunk<WIDTH>(x + i * width + c);
      add(row, loadChunk<WIDTH>(position + c));
      storeChunk<WIDTH>(x + i * width + c, row);
    });
  }
}

// A block takes positions t = blockIdx.x, blockIdx.x + gridDim.x, .. and adds their rows in ascending order.
template <typename T>
__device__ __forceinline__ void addPositionsBackward(const T* dx, int length, int start, float* dpositions, long long n,
                                                     int width) {
  constexpr int SIZE = Pack<T>::SIZE;
  bool wide = width % SIZE == 0 && isAligned16(dx) && isAligned16(dpositions);
  for (int t = blockIdx.x; t < length; t += gridDim.x) {
    float* to = dpositions + (long long)(start + t) * width;
    forColumns<SIZE>(width, wide, [&](auto w, int c) {
      constexpr int WIDTH = decltype(w)::value;
      auto sum = loadChunk<WIDTH>(to + c);
      for (long long i = t; i < n; i += length) add(sum, loadChunk<WIDTH>(dx + i * width + c));
      storeChunk<WIDTH>(to + c, sum);
    });
  }
}

// A block takes sequences; a column's rows are added in ascending order.
template <typename T>
__device__ __forceinline__ void mean(const T* x, int length, T* out, long long sequences, int width) {
  constexpr int SIZE = Pack<T>::SIZE;
  bool wide = width % SIZE == 0 && isAligned16(x) && isAligned16(out);
  float share = 1.0f / length;
  for (long long b = blockIdx.x; b < sequences; b += gridDim.x) {
    const T* rows = x + b * length * width;
    forColumns<SIZE>(width, wide, [&](auto w, int c) {
      constexpr int WIDTH = decltype(w)::value;
      Chunk<WIDTH> sum{};
      for (int t = 0; t < length; t++) add(sum, loadChunk<WIDTH>(rows + (long long)t * width + c));
      scale(sum, share);
      storeChunk<WIDTH>(out + b * width + c, sum);
    });
  }
}

template <typename T>
__device__ __forceinline__ void meanBackward(const T* dout, int length, T* dx, long long n, int width) {
  constexpr int SIZE = Pack<T>::SIZE;
  bool wide = width % SIZE == 0 && isAligned16(dout) && isAligned16(dx);
  float share = 1.0f / length;
  for (long long i = blockIdx.x; i < n; i += gridDim.x) {
    const T* from = dout + i / length * width;
    forColumns<SIZE>(width, wide, [&](auto w, int c) {
      constexpr int WIDTH = decltype(w)::value;
      auto row = loadChunk<WIDTH>(from + c);
      scale(row, share);
      storeChunk<WIDTH>(dx + i * width + c, row);
    });
  }
}

// What a block of the backward knows of its chunk: ids first to first + count - 1 of the sorted ones.
struct SortedChunk {
  const int* ids;
  long long first, n;
  int count;

  __device__ __forceinline__ SortedChunk(const int* ids_, long long n_)
      : ids(ids_), first((long long)blockIdx.x * CHUNK), n(n_), count(n_ - first < CHUNK ? int(n_ - first) : CHUNK) {}

  // Whether the id before, or behind, element k of the chunk is the same as its own.
  __device__ __forceinline__ bool continuesBefore(int k) const { return first + k > 0 && ids[first + k - 1] == ids[first + k]; }
  __device__ __forceinline__ bool continuesBehind(int k) const { return first + k + 1 < n && ids[first + k + 1] == ids[first + k]; }
};

// Adds up each run of equal ids. Where the whole run lies in the chunk, the sum goes to dtable; of one that comes from the
// chunk before, to the first row of the chunk's partials; of one that starts here and goes on, to the second.
template <typename T>
__device__ __forceinline__ void backward(const int* sortedIds, const int* order, const T* dout, float* dtable,
                                         float* partials, long long n, int width) {
  constexpr int SIZE = Pack<T>::SIZE;
  SortedChunk chunk(sortedIds, n);
  float* mine = partials + 2ll * blockIdx.x * width;
  bool wide = width % SIZE == 0 && isAligned16(dout) && isAligned16(dtable) && isAligned16(partials);
  forColumns<SIZE>(width, wide, [&](auto w, int c) {
    constexpr int WIDTH = decltype(w)::value;
    Chunk<WIDTH> sum{};
    bool fromBefore = chunk.continuesBefore(0);
    for (int k = 0; k < chunk.count; k++) {
      add(sum, loadChunk<WIDTH>(dout + (long long)order[chunk.first + k] * width + c));
      bool goesOn = chunk.continuesBehind(k);
      if (goesOn && k + 1 < chunk.count) continue;
      float* to = fromBefore ? mine + c : goesOn ? mine + width + c : dtable + (long long)sortedIds[chunk.first + k] * width + c;
      if (!fromBefore && !goesOn) add(sum, loadChunk<WIDTH>(to));
      storeChunk<WIDTH>(to, sum);
      sum = Chunk<WIDTH>{};
      fromBefore = false;
    }
  });
}

template <typename T, int WIDTH>
__device__ __forceinline__ void turnHead(T* head, const float* cos, const float* sin, float sign, int half, int j) {
  auto a = loadChunk<WIDTH>(head + j), b = loadChunk<WIDTH>(head + half + j);
  auto cs = loadChunk<WIDTH>(cos + j), ss = loadChunk<WIDTH>(sin + j);
#pragma unroll
  for (int i = 0; i < WIDTH; i++) {
    float x = a.at[i], y = b.at[i], s = ss.at[i] * sign;
    a.at[i] = fmaf(x, cs.at[i], -(y * s));
    b.at[i] = fmaf(y, cs.at[i], x * s);
  }
  storeChunk<WIDTH>(head + j, a);
  storeChunk<WIDTH>(head + half + j, b);
}

// Queries and keys are the first 2·heads heads of a row.
template <typename T>
__device__ __forceinline__ void rotary(T* qkv, const float* cos, const float* sin, int inverse, int length, int start,
                                       long long tokens, int heads, int headWidth) {
  constexpr int SIZE = Pack<T>::SIZE;
  int half = headWidth / 2;
  bool wide = half % SIZE == 0 && isAligned16(qkv) && isAligned16(cos) && isAligned16(sin);
  float sign = inverse != 0 ? -1.0f : 1.0f;
  for (long long i = blockIdx.x; i < tokens; i += gridDim.x) {
    long long angles = (start + i % length) * half;
    forColumns<SIZE>(2 * heads * half, wide, [&](auto w, int pair) {
      T* head = qkv + (i * 3 * heads + pair / half) * headWidth;
      turnHead<T, decltype(w)::value>(head, cos + angles, sin + angles, sign, half, pair % half);
    });
  }
}

__device__ __forceinline__ int digit(int id, int shift) { return id >> shift & (DIGITS - 1); }

}  // namespace embedding

#define SPARROW_EMBEDDING_ENTRIES(suffix, T)                                                                          \
  extern "C" __global__ void embedding_##suffix(const int* ids, const T* table, const T* positions, int length,       \
                                                int start, T* out, long long n, int width) {                          \
    embedding::forward(ids, table, positions, length, start, out, n, width);                                          \
  }                                                                                                                   \
  extern "C" __global__ void embedding_backward_##suffix(const int* sortedIds, const int* order, const T* dout,       \
                                                         float* dtable, float* partials, long long n, int width) {    \
    embedding::backward(sortedIds, order, dout, dtable, partials, n, width);                                          \
  }                                                                                                                   \
  extern "C" __global__ void add_positions_##suffix(const T* positions, int length, int start, T* x, long long n,     \
                                                    int width) {                                                      \
    embedding::addPositions(positions, length, start, x, n, width);                                                   \
  }                                                                                                                   \
  extern "C" __global__ void add_positions_backward_##suffix(const T* dx, int length, int start, float* dpositions,   \
                                                             long long n, int width) {                                \
    embedding::addPositionsBackward(dx, length, start, dpositions, n, width);                                         \
  }                                                                                                                   \
  extern "C" __global__ void sequence_mean_##suffix(const T* x, int length, T* out, long long sequences, int width) { \
    embedding::mean(x, length, out, sequences, width);                                                                \
  }                                                                                                                   \
  extern "C" __global__ void sequence_mean_backward_##suffix(const T* dout, int length, T* dx, long long n,           \
                                                             int width) {                                             \
    embedding::meanBackward(dout, length, dx, n, width);                                                              \
  }                                                                                                                   \
  extern "C" __global__ void rotary_##suffix(T* qkv, const float* cos, const float* sin, int inverse, int length,     \
                                             int start, long long tokens, int heads, int headWidth) {                 \
    embedding::rotary(qkv, cos, sin, inverse, length, start, tokens, heads, headWidth);                               \
  }

SPARROW_EMBEDDING_ENTRIES(f32, float)
SPARROW_EMBEDDING_ENTRIES(bf16, bf16)

// The block of the chunk in which a run starts that goes on in the next adds up the run's partials, in order.
extern "C" __global__ void embedding_join_f32(const int* sortedIds, const float* partials, float* dtable, long long n,
                                              int width) {
  embedding::SortedChunk chunk(sortedIds, n);
  int last = chunk.count - 1;
  if (!chunk.continuesBehind(last)) return;
  int id = sortedIds[chunk.first + last];
  if (chunk.continuesBefore(0) && sortedIds[chunk.first] == id) return;  // it started in an earlier chunk
  for (int c = threadIdx.x; c < width; c += blockDim.x) {
    float sum = partials[(2ll * blockIdx.x + 1) * width + c];
    for (long long next = blockIdx.x + 1ll; next * embedding::CHUNK < n && sortedIds[next * embedding::CHUNK] == id; next++)
      sum += partials[2 * next * width + c];
    dtable[(long long)id * width + c] += sum;
  }
}

// counts[digit·tiles + tile] = how many ids of the tile have the digit; tiles = gridDim.x.
extern "C" __global__ void id_sort_count_i32(const int* ids, int n, int shift, int* counts) {
  __shared__ int histogram[embedding::DIGITS];
  for (int d = threadIdx.x; d < embedding::DIGITS; d += 32) histogram[d] = 0;
  __syncthreads();
  int first = blockIdx.x * embedding::TILE, end = min(n, first + embedding::TILE);
  for (int i = first + threadIdx.x; i < end; i += 32) atomicAdd(&histogram[embedding::digit(ids[i], shift)], 1);
  __syncthreads();
  for (int d = threadIdx.x; d < embedding::DIGITS; d += 32) counts[d * gridDim.x + blockIdx.x] = histogram[d];
}

// counts becomes its exclusive prefix sum; one block.
extern "C" __global__ void id_sort_scan_i32(int* counts, int size) {
  __shared__ int warpSums[32];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32, before = 0;
  for (int first = 0; first < size; first += blockDim.x) {
    int i = first + threadIdx.x, own = i < size ? counts[i] : 0, sum = own;
    for (int lanes = 1; lanes < 32; lanes *= 2) {
      int left = __shfl_up_sync(0xffffffffu, sum, lanes);
      if (lane >= lanes) sum += left;
    }
    if (lane == 31) warpSums[warp] = sum;
    __syncthreads();
    int total = 0, earlier = 0;
    for (int other = 0; other < warps; other++) {
      if (other < warp) earlier += warpSums[other];
      total += warpSums[other];
    }
    if (i < size) counts[i] = before + earlier + sum - own;
    before += total;
    __syncthreads();
  }
}

// Moves ids and their order to the places that the scanned counts give, equal digits in the order in which they stand;
// order null: element i is number i.
extern "C" __global__ void id_sort_scatter_i32(const int* ids, const int* order, int n, int shift, const int* offsets,
                                               int* sortedIds, int* sortedOrder) {
  __shared__ int next[embedding::DIGITS];
  for (int d = threadIdx.x; d < embedding::DIGITS; d += 32) next[d] = offsets[d * gridDim.x + blockIdx.x];
  __syncthreads();
  int first = blockIdx.x * embedding::TILE, end = min(n, first + embedding::TILE);
  for (int round = first; round < end; round += 32) {
    int i = round + threadIdx.x;
    int id = i < end ? ids[i] : 0, digit = i < end ? embedding::digit(id, shift) : -1;
    unsigned same = __match_any_sync(0xffffffffu, digit), left = same & ((1u << threadIdx.x) - 1);
    int place = digit >= 0 ? next[digit] + __popc(left) : 0;
    __syncwarp();
    if (digit >= 0) {
      if (left == 0) next[digit] += __popc(same);
      sortedIds[place] = id;
      sortedOrder[place] = order != nullptr ? order[i] : i;
    }
    __syncwarp();
  }
}
