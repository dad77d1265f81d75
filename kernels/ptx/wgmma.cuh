// Tensor core products of a warpgroup (four warps) straight from shared memory, sm_90a (PTX ISA, wgmma).
#pragma once

#include <cstdint>

#include "common/types.cuh"
#ifdef SPARROW_EMULATE
#include "emulate/warpgroup.h"
#else
#include "ptx/shared.cuh"
#endif

namespace ptx {

// Describes a tile of bf16 in shared memory that is swizzled by ROW_BYTES, 128 or 64, as the copy engine leaves it and
// tile/operand_tile.cuh does; aligned to 8 such rows.
// Depth contiguous: rows of ROW_BYTES / 2 steps, groups of 8 rows follow each other; blockBytes is not used.
// Edge contiguous: rows of ROW_BYTES / 2 elements of the edge, one row a step, groups of 8 steps follow each other, the next
// elements of the edge blockBytes on.
template <int ROW_BYTES = 128>
__device__ __forceinline__ uint64_t describeTile(const void* tile, unsigned blockBytes) {
  static_assert(ROW_BYTES == 128 || ROW_BYTES == 64, "swizzles by 128 or 64 bytes");
  const uint64_t groupBytes = 8 * ROW_BYTES, swizzle = uint64_t(ROW_BYTES == 128 ? 1 : 2) << 62;
#ifdef SPARROW_EMULATE
  unsigned address = emulate::sharedAddress(tile);
#else
  unsigned address = sharedAddress(tile);
#endif
  return (address >> 4 & 0x3fff) | uint64_t(blockBytes >> 4 & 0x3fff) << 16 | (groupBytes >> 4) << 32 | swizzle;
}

// Orders this thread's ordinary writes to shared memory, cp.async's among them, before what the tensor cores and the copy engine
// do next.
__device__ __forceinline__ void fenceAsyncProxy() {
#ifdef SPARROW_EMULATE
  emulate::fenceAsyncProxy();
#else
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
#endif
}

// Registers and shared memory written before are seen by the products after.
__device__ __forceinline__ void warpgroupFence() {
#ifdef SPARROW_EMULATE
  emulate::fenceWarpgroup();
#else
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
#endif
}

__device__ __forceinline__ void warpgroupCommit() {
#ifdef SPARROW_EMULATE
  emulate::commitProducts();
#else
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
#endif
}

// Waits for all but the PENDING newest groups.
template <int PENDING>
__device__ __forceinline__ void warpgroupWait() {
#ifdef SPARROW_EMULATE
  emulate::waitProducts(PENDING);
#else
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(PENDING) : "memory");
#endif
}

#ifndef SPARROW_EMULATE
// Gives registers back, or takes them; REGISTERS a thread afterwards, a multiple of 8.
template <int REGISTERS>
__device__ __forceinline__ void releaseRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(REGISTERS));
}
template <int REGISTERS>
__device__ __forceinline__ void takeRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(REGISTERS));
}

// A barrier of some of the block's warps, number 1 to 15.
__device__ __forceinline__ void barrierOf(int number, int threads) {
  asm volatile("bar.sync %0, %1;\n" ::"r"(number), "r"(threads) : "memory");
}
#endif

// d (64, 256) += a (64, 16) · b (16, 256), or = where add is 0; asynchronous. Lane 4 g + t of warp w holds
// d[4 j + 2 h + i] at row 16 w + 8 h + g, column 8 j + 2 t + i. EDGE_CONTIGUOUS tells how the tiles lie, 0 or 1.
template <int A_EDGE_CONTIGUOUS, int B_EDGE_CONTIGUOUS>
__device__ __forceinline__ void wgmma64x256x16(float (&d)[128], uint64_t a, uint64_t b, int add) {
#ifdef SPARROW_EMULATE
  emulate::multiplyWarpgroup<256, A_EDGE_CONTIGUOUS, B_EDGE_CONTIGUOUS>(d, a, b, add);
#else
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "setp.ne.b32 p, %130, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
      "%128, %129, p, 1, 1, %131, %132;\n"
      "}\n"
      :
      "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]),
      "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
      "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]),
      "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
      "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]),
      "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
      "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]),
      "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
      "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]),
      "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
      "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]),
      "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
      "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]),
      "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
      "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]),
      "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63]),
      "+f"(d[64]), "+f"(d[65]), "+f"(d[66]), "+f"(d[67]),
      "+f"(d[68]), "+f"(d[69]), "+f"(d[70]), "+f"(d[71]),
      "+f"(d[72]), "+f"(d[73]), "+f"(d[74]), "+f"(d[75]),
      "+f"(d[76]), "+f"(d[77]), "+f"(d[78]), "+f"(d[79]),
      "+f"(d[80]), "+f"(d[81]), "+f"(d[82]), "+f"(d[83]),
      "+f"(d[84]), "+f"(d[85]), "+f"(d[86]), "+f"(d[87]),
      "+f"(d[88]), "+f"(d[89]), "+f"(d[90]), "+f"(d[91]),
      "+f"(d[92]), "+f"(d[93]), "+f"(d[94]), "+f"(d[95]),
      "+f"(d[96]), "+f"(d[97]), "+f"(d[98]), "+f"(d[99]),
      "+f"(d[100]), "+f"(d[101]), "+f"(d[102]), "+f"(d[103]),
      "+f"(d[104]), "+f"(d[105]), "+f"(d[106]), "+f"(d[107]),
      "+f"(d[108]), "+f"(d[109]), "+f"(d[110]), "+f"(d[111]),
      "+f"(d[112]), "+f"(d[113]), "+f"(d[114]), "+f"(d[115]),
      "+f"(d[116]), "+f"(d[117]), "+f"(d[118]), "+f"(d[119]),
      "+f"(d[120]), "+f"(d[121]), "+f"(d[122]), "+f"(d[123]),
      "+f"(d[124]), "+f"(d[125]), "+f"(d[126]), "+f"(d[127])
      : "l"(a), "l"(b), "r"(add), "n"(A_EDGE_CONTIGUOUS), "n"(B_EDGE_CONTIGUOUS));
#endif
}

// d (64, 64) += a (64, 16) · b (16, 64), or = where add is 0, as wgmma64x256x16.
template <int A_EDGE_CONTIGUOUS, int B_EDGE_CONTIGUOUS>
__device__ __forceinline__ void wgmma64x64x16(float (&d)[32], uint64_t a, uint64_t b, int add) {
#ifdef SPARROW_EMULATE
  emulate::multiplyWarpgroup<64, A_EDGE_CONTIGUOUS, B_EDGE_CONTIGUOUS>(d, a, b, add);
#else
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "setp.ne.b32 p, %34, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "%32, %33, p, 1, 1, %35, %36;\n"
      "}\n"
      :
      "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]),
      "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
      "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]),
      "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
      "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]),
      "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
      "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]),
      "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
      : "l"(a), "l"(b), "r"(add), "n"(A_EDGE_CONTIGUOUS), "n"(B_EDGE_CONTIGUOUS));
#endif
}

}  // namespace ptx
