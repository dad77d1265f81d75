// Element-wise nonlinearities and their gated forms (Shazeer 2020) over n elements.
//
//   f is gelu, gelu_tanh, silu or relu of common/activation.cuh
//
//   <f>                 y = f(x)
//   <f>_backward        dx = dy·f'(x)
//   gated_<f>           y = f(gate)·up
//   gated_<f>_backward  dgate = dy·up·f'(gate),  dup = dy·f(gate)
//
// All tensors of a call are T, one of fp32 and bf16; arithmetic is fp32. An output may be any of the inputs of the same call;
// dgate and dup are not the same.
//
// Launch contract: one-dimensional grid and block of any size; arrays are read 16 bytes at a time where all addresses permit.
#include "common/activation.cuh"
#include "common/chunk.cuh"
#include "common/types.cuh"

namespace activation {

template <typename F, typename T>
__device__ __forceinline__ void forward(const T* x, T* y, long long n) {
  forChunks<Pack<T>::SIZE>(n, isAligned16(x) && isAligned16(y), [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto v = loadChunk<WIDTH>(x + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) v.at[j] = F::at(v.at[j]).value;
    storeChunk<WIDTH>(y + i, v);
  });
}

template <typename F, typename T>
__device__ __forceinline__ void backward(const T* x, const T* dy, T* dx, long long n) {
  forChunks<Pack<T>::SIZE>(n, isAligned16(x) && isAligned16(dy) && isAligned16(dx), [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto v = loadChunk<WIDTH>(x + i), d = loadChunk<WIDTH>(dy + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) d.at[j] *= F::at(v.at[j]).slope;
    storeChunk<WIDTH>(dx + i, d);
  });
}

template <typename F, typename T>
__device__ __forceinline__ void gated(const T* gate, const T* up, T* y, long long n) {
  forChunks<Pack<T>::SIZE>(n, isAligned16(gate) && isAligned16(up) && isAligned16(y), [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto g = loadChunk<WIDTH>(gate + i), u = loadChunk<WIDTH>(up + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) u.at[j] *= F::at(g.at[j]).value;
    storeChunk<WIDTH>(y + i, u);
  });
}

template <typename F, typename T>
__device__ __forceinline__ void gatedBackward(const T* gate, const T* up, const T* dy, T* dgate, T* dup, long long n) {
  bool wide = isAligned16(gate) && isAligned16(up) && isAligned16(dy) && isAligned16(dgate) && isAligned16(dup);
  forChunks<Pack<T>::SIZE>(n, wide, [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto g = loadChunk<WIDTH>(gate + i), u = loadChunk<WIDTH>(up + i), d = loadChunk<WIDTH>(dy + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) {
      ValueAndSlope f = F::at(g.at[j]);
      g.at[j] = d.at[j] * u.at[j] * f.slope;
      u.at[j] = d.at[j] * f.value;
    }
    storeChunk<WIDTH>(dgate + i, g);
    storeChunk<WIDTH>(dup + i, u);
  });
}

}  // namespace activation

#define SPARROW_ACTIVATION_ENTRIES(name, F, suffix, T)                                                                \
  extern "C" __global__ void name##_##suffix(const T* x, T* y, long long n) {                                         \
    activation::forward<activation::F>(x, y, n);                                                                      \
  }                                                                                                                   \
  extern "C" __global__ void name##_backward_##suffix(const T* x, const T* dy, T* dx, long long n) {                  \
    activation::backward<activation::F>(x, dy, dx, n);                                                                \
  }                                                                                                                   \
  extern "C" __global__ void gated_##name##_##suffix(const T* gate, const T* up, T* y, long long n) {                 \
    activation::gated<activation::F>(gate, up, y, n);                                                                 \
  }                                                                                                                   \
  extern "C" __global__ void gated_##name##_backward_##suffix(const T* gate, const T* up, const T* dy, T* dgate,      \
                                                              T* dup, long long n) {                                  \
    activation::gatedBackward<activation::F>(gate, up, dy, dgate, dup, n);                                            \
  }

SPARROW_ACTIVATION_ENTRIES(gelu, Gelu, f32, float)
SPARROW_ACTIVATION_ENTRIES(gelu, Gelu, bf16, bf16)
SPARROW_ACTIVATION_ENTRIES(gelu_tanh, GeluTanh, f32, float)
SPARROW_ACTIVATION_ENTRIES(gelu_tanh, GeluTanh, bf16, bf16)
SPARROW_ACTIVATION_ENTRIES(silu, Silu, f32, float)
SPARROW_ACTIVATION_ENTRIES(silu, Silu, bf16, bf16)
SPARROW_ACTIVATION_ENTRIES(relu, Relu, f32, float)
SPARROW_ACTIVATION_ENTRIES(relu, Relu, bf16, bf16)
