// Loads of 8x8 matrices of 16-bit elements from shared memory into mma fragments (PTX ISA, ldmatrix).
// Lane 8 m + r passes the address of row r of matrix m (16 bytes, 16-byte aligned); all 32 lanes call together.
// Register m of lane 4 g + t then holds elements (g, 2t) and (g, 2t+1) of matrix m; transposed: (2t, g) and (2t+1, g).
#pragma once

#include "common/types.cuh"
#ifdef SPARROW_EMULATE
#include "emulate/tensor_core.h"
#else
#include "ptx/shared.cuh"
#endif

namespace ptx {

__device__ __forceinline__ void ldmatrix4(unsigned (&registers)[4], const void* row) {
#ifdef SPARROW_EMULATE
  emulate::loadMatrices<4, false>(registers, row);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(sharedAddress(row))
               : "memory");
#endif
}

__device__ __forceinline__ void ldmatrix4Transposed(unsigned (&registers)[4], const void* row) {
#ifdef SPARROW_EMULATE
  emulate::loadMatrices<4, true>(registers, row);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(sharedAddress(row))
               : "memory");
#endif
}

}  // namespace ptx
