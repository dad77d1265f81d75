// One loop for what draws a random number for each element.
#pragma once

#include "common/chunk.cuh"
#include "common/philox.cuh"

// out_i (+)= element(x_i, draw i as 32 bits) over a one-dimensional grid; out may be x. A block of four draws serves four
// elements, 16 bytes moved at a time, where the addresses permit and the draws are aligned.
template <typename T, typename Element>
__device__ __forceinline__ void forDrawn(const T* x, const philox::Draws& draws, bool accumulate, T* out, long long n,
                                         Element element) {
  bool wide = isAligned16(x) && isAligned16(out) && draws.areAligned();
  forChunks<Pack<T>::SIZE>(n, wide, [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto xs = loadChunk<WIDTH>(x + i);
    Chunk<WIDTH> before = {};
    if (accumulate) before = loadChunk<WIDTH>(out + i);
    unsigned words[WIDTH];
    draws.take(i, words);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) {
      float value = element(xs.at[j], words[j]);
      xs.at[j] = accumulate ? before.at[j] + value : value;
    }
    storeChunk<WIDTH>(out + i, xs);
  });
}
