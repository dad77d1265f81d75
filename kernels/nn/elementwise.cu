// Sums, scalings, fills, conversions and dropout over n elements.
//
//   fill      out = value
//   add       out = a + b;  out may be a or b
//   axpy      out += alpha·x
//   scale     out = alpha·x;  out may be x
//   convert   out = x in the other type
//   dropout   out_i = x_i·scale where draw firstToken·perToken + i of the key (seed, stream) is kept, else 0;  out may be
//             x (Srivastava et al. 2014, inverted; the mask is drawn anew in the backward pass, never stored). firstToken
//             is read on the device, so that a captured graph draws anew at every launch; the product wraps at 2^64
//
// A draw of Philox4x32-10 is kept where its upper 24 bits are at least dropBelow. For a probability p of dropping,
// dropBelow = ceil(p·2^24) and scale = 1/(1 - p): then the mask is the CPU backend's, bit for bit.
//
// Launch contract: one-dimensional grid and block of any size; arrays are read 16 bytes at a time where all addresses
// permit. Conversions find the boundary that both windows share, if there is one, wherever they start. Dropout
// is faster where firstToken·perToken is a multiple of 4 too, since a block of four draws then serves four elements.
#include "common/chunk.cuh"
#include "common/drawn.cuh"
#include "common/types.cuh"

namespace elementwise {

template <typename T>
__device__ __forceinline__ void add(const T* a, const T* b, T* out, long long n) {
  forChunks<Pack<T>::SIZE>(n, isAligned16(a) && isAligned16(b) && isAligned16(out), [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto as = loadChunk<WIDTH>(a + i), bs = loadChunk<WIDTH>(b + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) as.at[j] += bs.at[j];
    storeChunk<WIDTH>(out + i, as);
  });
}

template <typename T>
__device__ __forceinline__ void axpy(float alpha, const T* x, T* out, long long n) {
  forChunks<Pack<T>::SIZE>(n, isAligned16(x) && isAligned16(out), [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto xs = loadChunk<WIDTH>(x + i), outs = loadChunk<WIDTH>(out + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) outs.at[j] = fmaf(alpha, xs.at[j], outs.at[j]);
    storeChunk<WIDTH>(out + i, outs);
  });
}

template <typename T>
__device__ __forceinline__ void scale(float alpha, const T* x, T* out, long long n) {
  forChunks<Pack<T>::SIZE>(n, isAligned16(x) && isAligned16(out), [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto xs = loadChunk<WIDTH>(x + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) xs.at[j] *= alpha;
    storeChunk<WIDTH>(out + i, xs);
  });
}

template <typename T, typename U>
__device__ __forceinline__ void convert(const T* x, U* out, long long n) {
  forWindow<8>(x, out, n, [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    storeChunk<WIDTH>(out + i, loadChunk<WIDTH>(x + i));
  });
}

// The value is stored as it is, not by way of a float.
template <typename T>
__device__ __forceinline__ void fill(T value, T* out, long long n) {
  constexpr int SIZE = Pack<T>::SIZE;
  forChunks<SIZE>(n, isAligned16(out), [&](auto width, long long i) {
    if constexpr (decltype(width)::value == 1) {
      out[i] = value;
    } else {
      Pack<T> pack;
#pragma unroll
      for (int j = 0; j < SIZE; j++) pack.at[j] = value;
      storePack(out + i, pack);
    }
  });
}

template <typename T>
__device__ __forceinline__ void dropout(const T* x, unsigned dropBelow, float scale, const philox::Draws& draws, T* out,
                                        long long n) {
  forDrawn(x, draws, false, out, n,
           [&](float v, unsigned word) { return word >> 8 >= dropBelow ? v * scale : 0.0f; });
}

}  // namespace elementwise

#define SPARROW_ELEMENTWISE_ENTRIES(suffix, T)                                                                        \
  extern "C" __global__ void add_##suffix(const T* a, const T* b, T* out, long long n) {                              \
    elementwise::add(a, b, out, n);                                                                                   \
  }                                                                                                                   \
  extern "C" __global__ void axpy_##suffix(float alpha, const T* x, T* out, long long n) {                            \
    elementwise::axpy(alpha, x, out, n);                                                                              \
  }                                                                                                                   \
  extern "C" __global__ void scale_##suffix(float alpha, const T* x, T* out, long long n) {                           \
    elementwise::scale(alpha, x, out, n);                                                                             \
  }                                                                                                                   \
  extern "C" __global__ void fill_##suffix(float value, T* out, long long n) {                                        \
    elementwise::fill(fromFloat<T>(value), out, n);                                                                   \
  }                                                                                                                   \
  extern "C" __global__ void dropout_##suffix(const T* x, unsigned dropBelow, float scale, unsigned long long seed,   \
                                              unsigned long long stream, const unsigned long long* firstToken,        \
                                              unsigned long long perToken, T* out, long long n) {                     \
    elementwise::dropout(x, dropBelow, scale, philox::Draws(seed, stream, firstToken, perToken), out, n);             \
  }

SPARROW_ELEMENTWISE_ENTRIES(f32, float)
SPARROW_ELEMENTWISE_ENTRIES(bf16, bf16)

extern "C" __global__ void fill_i32(int value, int* out, long long n) { elementwise::fill(value, out, n); }

extern "C" __global__ void convert_f32_bf16(const float* x, bf16* out, long long n) { elementwise::convert(x, out, n); }

extern "C" __global__ void convert_bf16_f32(const bf16* x, float* out, long long n) { elementwise::convert(x, out, n); }
