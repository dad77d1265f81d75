// Checks of ptx/wgmma.cuh: products of tiles that are laid out element by element, by the PTX ISA's tables rather than by
// tile/operand_tile.cuh. They hold on Hopper as well as emulated; those at the end provoke misuse, which only the emulation reports.
#include "common/types.cuh"
#if defined(SPARROW_EMULATE) || defined(SPARROW_HOPPER)
#include "common/launch.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/wgmma.cuh"
#include "test/check.h"

namespace {

constexpr int ROWS = 64, DEPTH = 16, THREADS = 128;

// Byte at which element (edge, depth) of a tile stands. Rows of ROW_BYTES with 16-byte chunks exchanged by the row's number: all
// eight chunks of 128 bytes by its lowest three bits, four chunks of 64 bytes by the two above the lowest one.
template <int ROW_BYTES, bool EDGE_CONTIGUOUS>
__device__ int placeOf(int edge, int depth, int blockBytes) {
  constexpr int ELEMENTS = ROW_BYTES / 2;
  int row = EDGE_CONTIGUOUS ? depth : edge, column = EDGE_CONTIGUOUS ? edge % ELEMENTS : depth;
  int chunk = column / 8 ^ (ROW_BYTES == 128 ? row % 8 : row / 2 % 4);
  return (EDGE_CONTIGUOUS ? edge / ELEMENTS * blockBytes : 0) + row * ROW_BYTES + chunk * 16 + column % 8 * 2;
}

template <bool A_EDGE_CONTIGUOUS, bool B_EDGE_CONTIGUOUS>
__device__ void multiply(float (&d)[128], uint64_t a, uint64_t b, int add) {
  ptx::wgmma64x256x16<A_EDGE_CONTIGUOUS, B_EDGE_CONTIGUOUS>(d, a, b, add);
}
template <bool A_EDGE_CONTIGUOUS, bool B_EDGE_CONTIGUOUS>
__device__ void multiply(float (&d)[32], uint64_t a, uint64_t b, int add) {
  ptx::wgmma64x64x16<A_EDGE_CONTIGUOUS, B_EDGE_CONTIGUOUS>(d, a, b, add);
}

// c (64, COLUMNS) = a (64, DEPTH) · b (DEPTH, COLUMNS) twice, the second time added; the tiles' places are those of a larger one from
// step FIRST of the depth on.
template <int COLUMNS, int A_ROW_BYTES, bool A_EDGE_CONTIGUOUS, int B_ROW_BYTES, bool B_EDGE_CONTIGUOUS, int FIRST>
__global__ void products(const bf16* a, const bf16* b, float* c) {
  SPARROW_DYNAMIC_SHARED(unsigned char, shared);
  constexpr int A_BLOCK = 64 * A_ROW_BYTES, B_BLOCK = 64 * B_ROW_BYTES;
  unsigned char *tileA = shared + 1024, *tileB = tileA + 2 * A_BLOCK;
  for (int i = threadIdx.x; i < ROWS * DEPTH; i += THREADS) {
    int edge = i / DEPTH, depth = i % DEPTH;
    memcpy(tileA + placeOf<A_ROW_BYTES, A_EDGE_CONTIGUOUS>(edge, FIRST + depth, A_BLOCK), a + i, 2);
  }
  for (int i = threadIdx.x; i < COLUMNS * DEPTH; i += THREADS) {
    int edge = i % COLUMNS, depth = i / COLUMNS;
    memcpy(tileB + placeOf<B_ROW_BYTES, B_EDGE_CONTIGUOUS>(edge, FIRST + depth, B_BLOCK), b + i, 2);
  }
  ptx::fenceAsyncProxy();
  __syncthreads();
  uint64_t left = ptx::describeTile<A_ROW_BYTES>(tileA, A_BLOCK) + FIRST * (A_EDGE_CONTIGUOUS ? A_ROW_BYTES : 2) / 16;
  uint64_t right = ptx::describeTile<B_ROW_BYTES>(tileB, B_BLOCK) + FIRST * (B_EDGE_CONTIGUOUS ? B_ROW_BYTES : 2) / 16;
  float d[COLUMNS / 2];
  for (int i = 0; i < COLUMNS / 2; i++) d[i] = 1e9f;  // not added to
  ptx::warpgroupFence();
  multiply<A_EDGE_CONTIGUOUS, B_EDGE_CONTIGUOUS>(d, left, right, 0);
  multiply<A_EDGE_CONTIGUOUS, B_EDGE_CONTIGUOUS>(d, left, right, 1);
  ptx::warpgroupCommit();
  ptx::warpgroupWait<0>();
  int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  for (int j = 0; j < COLUMNS / 8; j++)
    for (int h = 0; h < 2; h++)
      for (int i = 0; i < 2; i++)
        c[(threadIdx.x / 32 * 16 + 8 * h + g) * COLUMNS + 8 * j + 2 * t + i] = d[4 * j + 2 * h + i];
}

template <int COLUMNS>
void checkProducts(test::Check& check, const char* name, void (*kernel)(const bf16*, const bf16*, float*)) {
  auto a = check.normal<bf16>(ROWS * DEPTH), b = check.normal<bf16>(DEPTH * COLUMNS);
  std::vector<double> expected(ROWS * COLUMNS);
  for (int r = 0; r < ROWS; r++)
    for (int n = 0; n < COLUMNS; n++)
      for (int k = 0; k < DEPTH; k++) expected[r * COLUMNS + n] += 2.0 * toFloat(a[r * DEPTH + k]) * toFloat(b[k * COLUMNS + n]);
  device::Buffer<bf16> A(a), B(b);
  device::Buffer<float> C(expected.size());
  device::launch(kernel, 1, THREADS, 64 * 1024, A, B, C);
  check.near(name + (", " + std::to_string(COLUMNS)), C.toHost(), expected, 4e-5, 1e-6);
}

template <int COLUMNS>
void checkLayouts(test::Check& check) {
  checkProducts<COLUMNS>(check, "64 deep, 128 edge", products<COLUMNS, 64, false, 128, true, 0>);
  checkProducts<COLUMNS>(check, "64 deep, 128 edge, from 16 on", products<COLUMNS, 64, false, 128, true, 16>);
  checkProducts<COLUMNS>(check, "128 edge, 64 deep, from 16 on", products<COLUMNS, 128, true, 64, false, 16>);
  checkProducts<COLUMNS>(check, "128 deep, 128 deep, from 48 on", products<COLUMNS, 128, false, 128, false, 48>);
  checkProducts<COLUMNS>(check, "64 edge, 64 edge, from 16 on", products<COLUMNS, 64, true, 64, true, 16>);
}

SPARROW_CHECK(wgmma, tiles_lie_as_descriptors_tell) {
  checkLayouts<256>(check);
  checkLayouts<64>(check);
}

#ifdef SPARROW_EMULATE

enum Misuse { NO_PROXY_FENCE, NO_FENCE, NO_COMMIT, COPIES_TOO_EARLY, CHANGES_OPERANDS, DIFFERENT_OPERANDS, NOT_SWIZZLED, OUTSIDE, READS_SUMS };

// One warpgroup's product of zeros, with one thing wrong.
template <Misuse MISUSE>
void misused(int* out) {
  SPARROW_DYNAMIC_SHARED(unsigned char, tile);
  for (int i = threadIdx.x; i < 1024; i += THREADS) ptx::cpAsync16(tile + i * 16, tile, false);
  ptx::cpAsyncCommit();
  ptx::cpAsyncWait<0>();
  if (MISUSE != NO_PROXY_FENCE || threadIdx.x != 5) ptx::fenceAsyncProxy();
  __syncthreads();
  uint64_t left = ptx::describeTile<64>(tile, 0), right = ptx::describeTile(tile, MISUSE == OUTSIDE ? 8192 : 4096);
  if (MISUSE == DIFFERENT_OPERANDS && threadIdx.x == 40) left += 2;
  if (MISUSE == NOT_SWIZZLED) left &= ~(uint64_t(3) << 62);
  float d[128] = {};
  if (MISUSE != NO_FENCE) ptx::warpgroupFence();
  ptx::wgmma64x256x16<0, 1>(d, left, right, 1);
  if (MISUSE != NO_COMMIT) ptx::warpgroupCommit();
  if (MISUSE == COPIES_TOO_EARLY) ptx::cpAsync16(tile, tile, false);
  if (MISUSE == CHANGES_OPERANDS) tile[0] = 1;
  if (MISUSE == READS_SUMS) out[threadIdx.x] = std::isnan(d[3]);
  ptx::warpgroupWait<0>();
  if (MISUSE == READS_SUMS) out[threadIdx.x] += 10 * (d[3] == 0);
}

template <Misuse MISUSE>
void expectReport(test::Check& check, const std::string& part) {
  device::Buffer<int> out(THREADS);
  try {
    device::launch(misused<MISUSE>, 1, THREADS, 16384, out);
    check.fail("no report; expected one with: " + part);
  } catch (const emulate::Error& error) {
    check.that(std::string(error.what()).find(part) != std::string::npos, "report lacks '" + part + "': " + error.what());
  }
}

SPARROW_CHECK(wgmma, misuse_is_reported) {
  for (int order = 0; order < 3; order++) {
    expectReport<NO_PROXY_FENCE>(check, "reads what thread 5 has copied");
    expectReport<NO_FENCE>(check, "without a fence");
    expectReport<NO_COMMIT>(check, "ends while products are in flight");
    expectReport<COPIES_TOO_EARLY>(check, "writes what a product in flight reads");
    expectReport<CHANGES_OPERANDS>(check, "changed before the product was waited for");
    expectReport<DIFFERENT_OPERANDS>(check, "different operands");
    expectReport<NOT_SWIZZLED>(check, "not swizzled");
    expectReport<OUTSIDE>(check, "past dynamic shared memory");
  }
}

SPARROW_CHECK(wgmma, sums_are_poison_until_they_are_waited_for) {
  device::Buffer<int> out(THREADS);
  device::launch(misused<READS_SUMS>, 1, THREADS, 16384, out);
  check.equal("NaN before, 0 after", out.toHost(), std::vector<int>(THREADS, 11));
}

#endif

}  // namespace
#endif
