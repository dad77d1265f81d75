// Multiplicative noise on a router's input (Fedus et al. 2022, §2.4).
//
//   out_i (+)= x_i·(low + span·u_i),  u_i = draw firstToken·perToken + i of the key (seed, stream), in [0, 1)
//
// out may be x. For noise of epsilon, low = 1 - epsilon and span = 2·epsilon. The backward pass is the same call on the
// gradient. x and out (n) are T, one of fp32 and bf16. firstToken lies in device memory, so that a captured graph draws
// anew at every launch; the product wraps at 2^64.
//
// Launch contract: one-dimensional grid and block of any size; arrays are read 16 bytes at a time where the addresses
// permit and firstToken·perToken is a multiple of 4. The grid changes no bit.
#include "common/drawn.cuh"
#include "common/types.cuh"

namespace moejitter {

template <typename T>
__device__ __forceinline__ void jitter(const T* x, float low, float span, const philox::Draws& draws, bool accumulate,
                                       T* out, long long n) {
  // Product and sum are rounded one by one, as on the CPU: a choice of experts may hang on the last bit.
  forDrawn(x, draws, accumulate, out, n, [&](float v, unsigned word) {
    return __fmul_rn(v, __fadd_rn(low, __fmul_rn(span, philox::uniform(word))));
  });
}

}  // namespace moejitter

#define SPARROW_JITTER_ENTRY(suffix, T)                                                                                \
  extern "C" __global__ void jitter_##suffix(const T* x, float low, float span, unsigned long long seed,               \
                                             unsigned long long stream, const unsigned long long* firstToken,          \
                                             unsigned long long perToken, int accumulate, T* out, long long n) {       \
    moejitter::jitter(x, low, span, philox::Draws(seed, stream, firstToken, perToken), accumulate != 0, out, n);       \
  }

SPARROW_JITTER_ENTRY(f32, float)
SPARROW_JITTER_ENTRY(bf16, bf16)
