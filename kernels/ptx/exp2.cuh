// 2^x by the special function unit alone (PTX ISA, ex2.approx.ftz.f32): relative error 2^-22, 0 where the result is
// subnormal and of -inf. exp2f() spends four more instructions on subnormal results.
#pragma once

#include "common/types.cuh"

namespace ptx {

__device__ __forceinline__ float exp2Approximate(float x) {
#ifdef SPARROW_EMULATE
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

}  // namespace ptx
