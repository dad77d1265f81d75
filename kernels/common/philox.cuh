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

// A word's upper 24 bits as a float in [0, 1), a multiple of 2^-24.
__host__ __device__ __forceinline__ float uniform(unsigned word) { return float(word >> 8) * 0x1p-24f; }

}  // namespace philox
