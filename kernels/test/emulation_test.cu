// Checks of what the kernels stand on: shuffles, votes, barriers, atomics, tensor core fragments, cp.async. They hold on a GPU as
// well as emulated; those at the end provoke misuse, which only the emulation reports.
#include <numeric>

#include "common/launch.cuh"
#include "common/reduce.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/ldmatrix.cuh"
#include "ptx/mma.cuh"
#include "test/check.h"

namespace {

constexpr unsigned ALL = 0xffffffffu;

__global__ void shuffles(const int* in, int* out) {
  int lane = threadIdx.x % 32, v = in[threadIdx.x];
  int* mine = out + threadIdx.x * 6;
  mine[0] = __shfl_sync(ALL, v, 5);
  mine[1] = __shfl_xor_sync(ALL, v, 3);
  mine[2] = __shfl_up_sync(ALL, v, 7);
  mine[3] = __shfl_down_sync(ALL, v, 9);
  mine[4] = __shfl_down_sync(ALL, v, 3, 8);
  mine[5] = lane < 16 ? __shfl_sync(0xffffu, v, (lane + 1) % 16) : __shfl_xor_sync(0xffff0000u, v, 1);
}

SPARROW_CHECK(emulation, shuffles) {
  std::vector<int> in(96), expected(96 * 6);
  for (int& v : in) v = check.integer(-1000, 1000);
  for (int i = 0; i < 96; i++) {
    int lane = i % 32, warp = i - lane;
    int sources[6] = {5, lane ^ 3, lane < 7 ? lane : lane - 7, lane + 9 > 31 ? lane : lane + 9,
                      lane % 8 + 3 > 7 ? lane : lane + 3, lane < 16 ? (lane + 1) % 16 : lane ^ 1};
    for (int j = 0; j < 6; j++) expected[i * 6 + j] = in[warp + sources[j]];
  }
  device::Buffer<int> input(in), output(expected.size());
  device::launch(shuffles, 1, 96, 0, input, output);
  check.equal("shuffles", output.toHost(), expected);
}

__global__ void votes(const int* in, unsigned* out) {
  int v = in[threadIdx.x];
  out[threadIdx.x * 4] = __ballot_sync(ALL, v > 2);
  out[threadIdx.x * 4 + 1] = __any_sync(ALL, v > 6);
  out[threadIdx.x * 4 + 2] = __all_sync(ALL, v > 0);
  out[threadIdx.x * 4 + 3] = __match_any_sync(ALL, v);
}

SPARROW_CHECK(emulation, votes) {
  std::vector<int> in(64);
  for (int& v : in) v = check.integer(0, 7);
  std::vector<unsigned> expected(64 * 4);
  for (int i = 0; i < 64; i++) {
    unsigned ballot = 0, any = 0, all = 1, match = 0;
    for (int j = 0; j < 32; j++) {
      int other = in[i / 32 * 32 + j];
      ballot |= unsigned(other > 2) << j;
      any |= other > 6;
      all &= other > 0;
      match |= unsigned(other == in[i]) << j;
    }
    unsigned row[4] = {ballot, any, all, match};
    std::copy(row, row + 4, expected.begin() + i * 4);
  }
  device::Buffer<int> input(in);
  device::Buffer<unsigned> output(expected.size());
  device::launch(votes, 1, 64, 0, input, output);
  check.equal("votes", output.toHost(), expected);
}

// Reverses each block's chunk through static shared memory and sums it through dynamic shared memory, a tree of barriers.
__global__ void reverseAndSum(const int* in, int* reversed, int* sums, int* counts) {
  __shared__ int chunk[128];
  SPARROW_DYNAMIC_SHARED(int, tree);
  int i = threadIdx.x + blockDim.x * threadIdx.y, base = (blockIdx.x + gridDim.x * blockIdx.y) * 128;
  chunk[i] = tree[i] = in[base + i];
  __syncthreads();
  reversed[base + i] = chunk[127 - i];
  for (int half = 64; half > 0; half /= 2) {
    if (i < half) tree[i] += tree[i + half];
    __syncthreads();
  }
  int odd = __syncthreads_count(chunk[i] % 2 != 0);
  if (i == 0) {
    sums[base / 128] = tree[0];
    counts[base / 128] = odd;
  }
}

SPARROW_CHECK(emulation, barriers_and_shared_memory) {
  for (int repeat = 0; repeat < 3; repeat++) {  // each order of threads
    std::vector<int> in(6 * 128), reversed(6 * 128), sums(6), counts(6);
    for (int& v : in) v = check.integer(0, 1000);
    for (int i = 0; i < 6 * 128; i++) {
      reversed[i / 128 * 128 + 127 - i % 128] = in[i];
      sums[i / 128] += in[i];
      counts[i / 128] += in[i] % 2;
    }
    device::Buffer<int> input(in), outReversed(6 * 128), outSums(6), outCounts(6);
    device::launch(reverseAndSum, dim3(3, 2), dim3(32, 4), 128 * sizeof(int), input, outReversed, outSums, outCounts);
    check.equal("reversed", outReversed.toHost(), reversed);
    check.equal("sums", outSums.toHost(), sums);
    check.equal("counts", outCounts.toHost(), counts);
  }
}

__global__ void blockSums(const float* in, float* out) {
  __shared__ float scratch[32];
  float v = in[blockIdx.x * blockDim.x + threadIdx.x];
  out[blockIdx.x * blockDim.x + threadIdx.x] = blockSum(v, scratch) + blockSum(2 * v, scratch);
}

SPARROW_CHECK(emulation, block_sum) {
  for (int threads : {32, 96, 256, 1024}) {
    auto in = check.normal<float>(2 * threads);
    std::vector<double> expected(in.size());
    for (int b = 0; b < 2; b++)
      std::fill_n(expected.begin() + b * threads, threads,
                  3 * std::accumulate(in.begin() + b * threads, in.begin() + (b + 1) * threads, 0.0));
    device::Buffer<float> input(in), output(in.size());
    device::launch(blockSums, 2, threads, 0, input, output);
    check.near("sum", output.toHost(), expected, 1e-6 * threads, 1e-6);
  }
}

__global__ void atomics(const int* in, int* out, unsigned long long* wide, float* real) {
  int v = in[blockIdx.x * blockDim.x + threadIdx.x];
  atomicAdd(&out[0], v);
  atomicMax(&out[1], v);
  atomicMin(&out[2], v);
  atomicAdd(wide, 1ull << 33);
  atomicAdd(real, 0.5f);
  int seen = out[3], before;
  do {  // adds by compare and swap
    before = seen;
    seen = atomicCAS(&out[3], before, before + v);
  } while (seen != before);
  int ticket = atomicAdd(&out[4], 1);
  atomicExch(&out[5 + ticket], 1);
}

SPARROW_CHECK(emulation, atomics) {
  std::vector<int> in(3 * 64);
  for (int& v : in) v = check.integer(-1000, 1000);
  int sum = std::accumulate(in.begin(), in.end(), 0);
  std::vector<int> zeros(5 + 192), expected(5 + 192, 1);
  expected[0] = expected[3] = sum;
  expected[1] = std::max(0, *std::max_element(in.begin(), in.end()));
  expected[2] = std::min(0, *std::min_element(in.begin(), in.end()));
  expected[4] = 192;
  device::Buffer<int> input(in), output(zeros);
  device::Buffer<unsigned long long> wide(std::vector<unsigned long long>{0});
  device::Buffer<float> real(std::vector<float>{0});
  device::launch(atomics, 3, 64, 0, input, output, wide, real);
  check.equal("int", output.toHost(), expected);
  check.equal("64 bits", wide.toHost(), {192ull << 33});
  check.equal("float", real.toHost(), {96.0f});
}

__global__ void roundToBf16(const float* in, bf16* out) { out[threadIdx.x] = fromFloat<bf16>(in[threadIdx.x]); }

SPARROW_CHECK(emulation, bf16_rounds_to_nearest_even) {
  // 1 + 2^-8 lies halfway to the even 1; 1 + 3·2^-8 halfway to the even 1 + 2^-6.
  std::vector<float> in = {1.00390625f, 1.01171875f, 1.00390637f, -1.00390625f, 0.0f, 3.4e38f, INFINITY, NAN};
  std::vector<double> expected = {1.0, 1.015625, 1.0078125, -1.0, 0.0, INFINITY, INFINITY, NAN};
  in.resize(32, 1.0f);
  expected.resize(32, 1.0);
  device::Buffer<float> input(in);
  device::Buffer<bf16> output(32);
  device::launch(roundToBf16, 1, 32, 0, input, output);
  check.near("rounded", output.toHost(), expected, 0, 0);
}

__device__ unsigned pairOf(bf16 low, bf16 high) { return __bfloat16_as_ushort(low) | unsigned(__bfloat16_as_ushort(high)) << 16; }

// c += a b with fragments filled element by element, a (16, 16), b (16, 8), c (16, 8).
__global__ void mmaByHand(const bf16* a, const bf16* b, float* c) {
  int g = threadIdx.x / 4, t = threadIdx.x % 4;
  unsigned A[4], B[2];
  float C[4];
  for (int i = 0; i < 4; i++) {
    const bf16* p = a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
    A[i] = pairOf(p[0], p[1]);
  }
  for (int i = 0; i < 2; i++) {
    const bf16* p = b + (2 * t + i * 8) * 8 + g;
    B[i] = pairOf(p[0], p[8]);
  }
  for (int i = 0; i < 4; i++) C[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  ptx::mma16816(C, A, B, C);
  for (int i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = C[i];
}

// The same by way of shared memory: cp.async, then ldmatrix.
__global__ void mmaByLdmatrix(const bf16* a, const bf16* b, float* c) {
  __shared__ __align__(16) bf16 tileA[16 * 16];
  __shared__ __align__(16) bf16 tileB[2][16 * 8];  // the second half is filled with zeros
  int lane = threadIdx.x, g = lane / 4, t = lane % 4;
  ptx::cpAsync16(tileA + lane * 8, a + lane * 8);
  ptx::cpAsyncCommit();
  ptx::cpAsync16(tileB[0] + lane * 8, b + lane % 16 * 8, lane < 16);
  ptx::cpAsyncCommit();
  ptx::cpAsyncWait<1>();
  __syncthreads();
  unsigned A[4], B[4];
  ptx::ldmatrix4(A, tileA + lane % 16 * 16 + lane / 16 * 8);
  ptx::cpAsyncWait<0>();
  __syncthreads();
  ptx::ldmatrix4Transposed(B, tileB[0] + lane * 8);  // matrices: b rows 0-7, 8-15, then two of zeros
  float C[4];
  for (int i = 0; i < 4; i++) C[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  ptx::mma16816(C, A, {B[0], B[1]}, C);
  ptx::mma16816(C, A, {B[2], B[3]}, C);
  for (int i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = C[i];
}

void checkMma(test::Check& check, void (*kernel)(const bf16*, const bf16*, float*)) {
  auto a = check.normal<bf16>(16 * 16), b = check.normal<bf16>(16 * 8);
  auto c = check.normal<float>(16 * 8);
  std::vector<double> expected(c.begin(), c.end());
  for (int m = 0; m < 16; m++)
    for (int n = 0; n < 8; n++)
      for (int k = 0; k < 16; k++) expected[m * 8 + n] += double(toFloat(a[m * 16 + k])) * toFloat(b[k * 8 + n]);
  device::Buffer<bf16> A(a), B(b);
  device::Buffer<float> C(c);
  device::launch(kernel, 1, 32, 0, A, B, C);
  // Tensor cores may drop bits below fp32's last one in each of the sums: 16 terms of about 1.
  check.near("c", C.toHost(), expected, 2e-5, 1e-6);
}

SPARROW_CHECK(emulation, mma) { checkMma(check, mmaByHand); }
SPARROW_CHECK(emulation, ldmatrix_and_cp_async) { checkMma(check, mmaByLdmatrix); }

#ifdef SPARROW_EMULATE

void expectReport(test::Check& check, void (*kernel)(int*), const std::string& part) {
  device::Buffer<int> out(64);
  try {
    device::launch(kernel, 1, 64, 64 * sizeof(int), out);
    check.fail("no report; expected one with: " + part);
  } catch (const emulate::Error& error) {
    check.that(std::string(error.what()).find(part) != std::string::npos,
               std::string("report lacks '") + part + "': " + error.what());
  }
}

void differentBarriers(int*) {
  if (threadIdx.x < 32) __syncthreads();
  else {
    __syncthreads();
  }
}
void endsBeforeBarrier(int*) {
  if (threadIdx.x != 63) __syncthreads();
}
void laneMissing(int* out) {
  if (threadIdx.x != 40) out[threadIdx.x] = __shfl_xor_sync(ALL, 1, 1);
}
void laneOutsideMask(int* out) { out[threadIdx.x] = __shfl_sync(0xffffu, 1, 0); }
void readsOutsideMask(int* out) {
  if (threadIdx.x % 32 < 16) out[threadIdx.x] = __shfl_sync(0xffffu, 1, 20);
}
void sharedOverrun(int*) {
  SPARROW_DYNAMIC_SHARED(int, tile);
  tile[64] = 1;
}
void writesBehind(int* out) { out[threadIdx.x + 1] = 1; }

SPARROW_CHECK(emulation, misuse_is_reported) {
  expectReport(check, differentBarriers, "cannot go on together");
  expectReport(check, endsBeforeBarrier, "threads 63..63 has ended");
  expectReport(check, laneMissing, "waits in __shfl_xor_sync");
  expectReport(check, laneOutsideMask, "not in its own mask");
  expectReport(check, readsOutsideMask, "not in the mask");
  expectReport(check, sharedOverrun, "past its end");
}

SPARROW_CHECK(emulation, writes_behind_a_buffer_are_reported) {
  device::Buffer<int> out(64);
  device::launch(writesBehind, 1, 64, 0, out);
  try {
    out.toHost();
    check.fail("no report");
  } catch (const std::runtime_error&) {
  }
}

// A thread that reads before the barrier sees poison or a neighbour's old value in one of the orders.
void missingBarrier(int* out) {
  __shared__ int values[64];
  values[threadIdx.x] = 1;
  out[threadIdx.x] = values[63 - threadIdx.x];
}

SPARROW_CHECK(emulation, missing_barrier_shows) {
  device::Buffer<int> out(64);
  device::launch(missingBarrier, 1, 64, 0, out);
  auto values = out.toHost();
  check.that(std::count(values.begin(), values.end(), 1) < 64, "shared memory was not poisoned");
}

void missingWait(int* out) {
  __shared__ __align__(16) int values[256];
  __shared__ __align__(16) int source[256];
  for (int i = 0; i < 4; i++) source[threadIdx.x * 4 + i] = 7;
  ptx::cpAsync16(values + threadIdx.x * 4, source + threadIdx.x * 4);
  ptx::cpAsyncCommit();
  ptx::cpAsyncWait<1>();
  out[threadIdx.x] = values[threadIdx.x * 4];
}

SPARROW_CHECK(emulation, missing_wait_shows) {
  device::Buffer<int> out(64);
  device::launch(missingWait, 1, 64, 0, out);
  check.equal("before the wait", out.toHost(), std::vector<int>(64, -1));
}

#endif

}  // namespace
