// Element-wise nonlinearities f with their derivatives, wherever they are applied: by themselves (nn/activation.cu) and to
// products on their way out (gemm/gemm.cuh). Arithmetic is fp32.
//
//   Gelu       x·Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016)    f' = Φ(x) + x·φ(x)
//   GeluTanh   x·s, s = sigmoid(2u), u = sqrt(2/π)·(x + 0.044715·x³), which is 0.5·x·(1 + tanh(u))
//                                                                                     f' = s + x·s·(1 - s)·2u'
//   Silu       x·s, s = sigmoid(x)                                                    f' = s + x·s·(1 - s)
//   Relu       max(x, 0)                                                              f' = 1 where x > 0, else 0
#pragma once

#include "common/types.cuh"

namespace activation {

// f(x) and f'(x); what is not used is not computed.
struct ValueAndSlope {
  float value, slope;
};

__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

struct Gelu {
  static __device__ __forceinline__ ValueAndSlope at(float x) {
    float cdf = 0.5f * erfcf(-0.70710678f * x);  // Φ; erfc keeps the relative precision far on the left
    return {x * cdf, cdf + x * 0.39894228f * __expf(-0.5f * x * x)};
  }
};

struct GeluTanh {
  static __device__ __forceinline__ ValueAndSlope at(float x) {
    const float linear = 1.59576912f, cubic = 0.0713548163f;  // 2·sqrt(2/π), and 0.044715 of that
    float squared = x * x, s = sigmoid(x * (linear + cubic * squared));
    return {x * s, s + x * s * (1.0f - s) * (linear + 3.0f * cubic * squared)};
  }
};

struct Silu {
  static __device__ __forceinline__ ValueAndSlope at(float x) {
    float s = sigmoid(x);
    return {x * s, s + x * s * (1.0f - s)};
  }
};

struct Relu {
  static __device__ __forceinline__ ValueAndSlope at(float x) {
    return {x < 0.0f ? 0.0f : x, x > 0.0f ? 1.0f : 0.0f};
  }
};

}  // namespace activation
