// Philox4x32-10, a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
//
// A key is (seed, stream). The cipher's key is the seed, its counter the block number (low words) and the stream (high
// words). Draw i is word i mod 4 of block i div 4, the same bits as the CPU backend's.
#pragma once

#include "common/types.cuh"

namespace philox {

// The bare cipher: ten rounds over the counter words with key words k0 and k1.
__host__ __device__ __forceinline__ uint4 cipher(unsigned k0, unsigned k1, uint4 counter) {
#pragma unroll
  for (int round = 0; round < 10; round++) {
    unsigned long long product0 = 0xD2511F53ull * counter.x, product1 = 0xCD9E8D57ull * counter.z;
    counter = make_uint4(unsigned(product1 >> 32) ^ counter.y ^ k0, unsigned(product1),
                         unsigned(product0 >> 32) ^ counter.w ^ k1, unsigned(product0));
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

// Draws 4·number to 4·number + 3.
__host__ __device__ __forceinline__ uint4 block(unsigned long long seed, unsigned long long stream,
                                                unsigned long long number) {
  return cipher(unsigned(seed), unsigned(seed >> 32),
                make_uint4(unsigned(number), unsigned(number >> 32), unsigned(stream), unsigned(stream >> 32)));
}

// Draw `index`, alone.
__host__ __device__ __forceinline__ unsigned word(unsigned long long seed, unsigned long long stream,
                                                  unsigned long long index) {
  uint4 four = block(seed, stream, index >> 2);
  unsigned lane = unsigned(index & 3);
  return lane == 0 ? four.x : lane == 1 ? four.y : lane == 2 ? four.z : four.w;
}

// The draws of a key from number `first` on. The number of the tensor's first token lies in device memory, so that a
// captured graph draws anew each time it is launched: element i of a (tokens, perToken) tensor has draw
// firstToken·perToken + i.
struct Draws {
  unsigned long long seed, stream, first;

  __device__ __forceinline__ Draws(unsigned long long seed_, unsigned long long stream_,
                                   const unsigned long long* firstToken, unsigned long long perToken)
      : seed(seed_), stream(stream_), first(*firstToken * perToken) {}

  // Whether elements 0 to 3, 4 to 7, .. each have the four draws of one block.
  __device__ __forceinline__ bool areAligned() const { return first % 4 == 0; }

  // The words of elements i to i + WIDTH - 1. Where WIDTH is a multiple of 4, so is i, and areAligned() holds.
  template <int WIDTH>
  __device__ __forceinline__ void take(long long i, unsigned (&words)[WIDTH]) const {
    unsigned long long index = first + (unsigned long long)i;
    if constexpr (WIDTH == 1) {
      words[0] = word(seed, stream, index);
    } else {
#pragma unroll
      for (int j = 0; j < WIDTH; j += 4) {
        uint4 four = block(seed, stream, (index + j) >> 2);
        words[j] = four.x;
        words[j + 1] = four.y;
        words[j + 2] = four.z;
        words[j + 3] = four.w;
      }
    }
  }
};

// A word's upper 24 bits as a float in [0, 1), a multiple of 2^-24.
__host__ __device__ __forceinline__ float uniform(unsigned word) { return float(word >> 8) * 0x1p-24f; }

}  // namespace philox
