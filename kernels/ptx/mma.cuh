// Tensor core products of a warp, sm_80 and up (PTX ISA, mma.sync).
#pragma once

#include "common/types.cuh"
#ifdef SPARROW_EMULATE
#include "emulate/tensor_core.h"
#endif

namespace ptx {

// d (16, 8) = a (16, 16) · b (16, 8) + c, bf16 in, fp32 out; d may be c. All 32 lanes call it together. Lane 4 g + t holds
//   a[0..3]: (g, 2t) (g+8, 2t) (g, 2t+8) (g+8, 2t+8), each with its right neighbour in the high half;
//   b[0..1]: (2t, g) (2t+8, g), each with its lower neighbour in the high half (so b is "column major");
//   c, d[0..3]: (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1).
__device__ __forceinline__ void mma16816(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                         const float (&c)[4]) {
#ifdef SPARROW_EMULATE
  emulate::mma16816(d, a, b, c);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};\n"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
#endif
}

}  // namespace ptx
