// Element-wise loops: neighbouring elements as fp32 registers, 16 bytes of the narrowest array at a time where all permit.
#pragma once

#include "common/types.cuh"

template <int WIDTH>
struct Chunk {
  float at[WIDTH];
};

// WIDTH elements from p: one by one, or as whole packs, for which p must be aligned to 16 bytes.
template <int WIDTH, typename T>
__device__ __forceinline__ Chunk<WIDTH> loadChunk(const T* p) {
  Chunk<WIDTH> chunk;
  if constexpr (WIDTH == 1) {
    chunk.at[0] = toFloat(*p);
  } else {
    constexpr int SIZE = Pack<T>::SIZE;
#pragma unroll
    for (int first = 0; first < WIDTH; first += SIZE) {
      Pack<T> pack = loadPack(p + first);
#pragma unroll
      for (int i = 0; i < SIZE; i++) chunk.at[first + i] = toFloat(pack.at[i]);
    }
  }
  return chunk;
}

template <int WIDTH, typename T>
__device__ __forceinline__ void storeChunk(T* p, const Chunk<WIDTH>& chunk) {
  if constexpr (WIDTH == 1) {
    *p = fromFloat<T>(chunk.at[0]);
  } else {
    constexpr int SIZE = Pack<T>::SIZE;
#pragma unroll
    for (int first = 0; first < WIDTH; first += SIZE) {
      Pack<T> pack;
#pragma unroll
      for (int i = 0; i < SIZE; i++) pack.at[i] = fromFloat<T>(chunk.at[first + i]);
      storePack(p + first, pack);
    }
  }
}

// The number of elements of a chunk, as a type.
template <int WIDTH>
struct Width {
  static constexpr int value = WIDTH;
};

// Calls body(Width<w>, i) so that the chunks i to i + w - 1 cover 0 to n - 1 once, split over a one-dimensional grid:
// w = WIDTH as far as it goes where wide is true, then 1. A thread's chunks come in rising order.
template <int WIDTH, typename Body>
__device__ __forceinline__ void forChunks(long long n, bool wide, Body body) {
  long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x, threads = (long long)gridDim.x * blockDim.x;
  long long whole = wide ? n / WIDTH * WIDTH : 0;
  for (long long i = thread * WIDTH; i < whole; i += threads * WIDTH) body(Width<WIDTH>(), i);
  for (long long i = whole + thread; i < n; i += threads) body(Width<1>(), i);
}

// The number of elements from which on x and out are both at a 16-byte boundary: below 16, or -1 where there is none.
template <typename T, typename U>
__device__ __forceinline__ int headOf(const T* x, const U* out) {
  for (int head = 0; head < 16 / int(sizeof(T) < sizeof(U) ? sizeof(T) : sizeof(U)); head++)
    if (isAligned16(x + head) && isAligned16(out + head)) return head;
  return -1;
}

// forChunks over x and out wherever their windows start: element by element up to the common 16-byte boundary, if any.
template <int WIDTH, typename T, typename U, typename Body>
__device__ __forceinline__ void forWindow(const T* x, const U* out, long long n, Body body) {
  int head = headOf(x, out);
  if (head > n) head = int(n);
  long long first = head > 0 ? head : 0;
  forChunks<1>(first, false, body);
  forChunks<WIDTH>(n - first, head >= 0, [&](auto width, long long i) { body(width, first + i); });
}
