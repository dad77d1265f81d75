// What the attention kernels share: where a head lies in memory, and dropout's draws.
//
//   qkv, dqkv (tokens, 3·width)  a token's queries, keys and values, heads side by side; token = sequence·length + position
//   out, dout (tokens, width)    width = heads·headWidth
//   logSumExp (sequences·heads, length)  fp32
//
// Kernels over whole sequences have the grid (tiles, heads, sequences).
#pragma once

#include "common/philox.cuh"
#include "common/types.cuh"

constexpr float ATTENTION_LOG2_E = 1.4426950408889634f, ATTENTION_LN_2 = 0.69314718055994531f;

// The block's head of its sequence.
struct AttentionHead {
  int length, width, headWidth;

  __device__ AttentionHead(int length_, int heads, int headWidth_)
      : length(length_), width(heads * headWidth_), headWidth(headWidth_) {}

  __device__ int packedStride() const { return 3 * width; }
  // Offsets of the head's first query in qkv, of its first row in (tokens, width) and in (sequences·heads, length).
  __device__ long long packed() const { return (long long)blockIdx.z * length * packedStride() + int(blockIdx.y) * headWidth; }
  __device__ long long plain() const { return (long long)blockIdx.z * length * width + int(blockIdx.y) * headWidth; }
  __device__ long long rows() const { return ((long long)blockIdx.z * gridDim.y + blockIdx.y) * length; }
};

// Dropout of probabilities. Element (i, j) of head number h has draw (h·length + i)·length + j past `first` of the key (seed,
// stream); it is kept, and multiplied by scale, where the draw's upper 24 bits are at least dropBelow, else 0: the mask of
// nn/elementwise.cu and of the CPU backend. The number of the first token is read on the device, so that a captured graph
// draws anew at each launch.
struct AttentionDropout {
  unsigned long long seed, stream, first;
  unsigned dropBelow;
  float scale;

  __device__ AttentionDropout() : seed(0), stream(0), first(0), dropBelow(0), scale(1) {}
  __device__ AttentionDropout(unsigned dropBelow_, float scale_, unsigned long long seed_, unsigned long long stream_,
                              const unsigned long long* firstToken, unsigned long long perToken)
      : seed(seed_), stream(stream_), first(*firstToken * perToken), dropBelow(dropBelow_), scale(scale_) {}

  __device__ unsigned long long draw(const AttentionHead& head, int query, int key) const {
    return first + (unsigned long long)(head.rows() + query) * head.length + key;
  }

  __device__ bool keeps(unsigned long long draw) const { return philox::word(seed, stream, draw) >> 8 >= dropBelow; }

  // Bit k: whether draw + k is kept, k < COUNT, a multiple of 4 up to 32. A block of the cipher has four draws, so a run that
  // starts within one takes one more.
  template <int COUNT>
  __device__ unsigned keptBits(unsigned long long draw) const {
    unsigned long long bits = 0;
    int skipped = int(draw % 4);
#pragma unroll 1
    for (int k = 0; k < COUNT / 4; k++) bits |= (unsigned long long)keptOfBlock(draw / 4 + k) << (4 * k);
    if (skipped != 0) bits |= (unsigned long long)keptOfBlock(draw / 4 + COUNT / 4) << COUNT;
    return unsigned(bits >> skipped);
  }

 private:
  __device__ unsigned keptOfBlock(unsigned long long number) const {
    uint4 words = philox::block(seed, stream, number);
    return unsigned(words.x >> 8 >= dropBelow) | unsigned(words.y >> 8 >= dropBelow) << 1 |
           unsigned(words.z >> 8 >= dropBelow) << 2 | unsigned(words.w >> 8 >= dropBelow) << 3;
  }
};
