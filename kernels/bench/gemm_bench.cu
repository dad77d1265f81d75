// Times gemm/mma_gemm.cu and on Hopper gemm/hopper_gemm.cu: dense products against cuBLAS on the same operands, grouped ones against cuBLAS on one dense
// product of the same floating-point operations. Prints a line each: case, kernel, ms, TFLOP/s, baseline's, ratio.
#include "gemm/mma_gemm.cu"
#ifdef SPARROW_HOPPER
#include "gemm/hopper_gemm.cu"
#include "test/tensor_map.h"
#endif

#include <random>

#include "bench/bench.h"
#include "bench/cublas.h"

namespace {

// Enough copies of the operands that the second-level cache of any device in view holds few of them.
constexpr size_t ROTATED_BYTES = size_t(1) << 30;

std::vector<bf16> random(size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<bf16> pattern(1 << 20), values(size);
  for (bf16& v : pattern) v = fromFloat<bf16>(normal(generator));
  for (size_t i = 0; i < size; i++) values[i] = pattern[(i * 2654435761u >> 7) % pattern.size()];
  return values;
}

void report(const char* name, const char* kernel, double flops, double ours, double theirs) {
  double rate = flops / ours * 1e-9, baseline = theirs > 0 ? flops / theirs * 1e-9 : 0;
  std::printf("%-28s %-36s %9.4f ms %8.1f TFLOP/s  baseline %8.1f  ratio %.3f\n", name, kernel, ours, rate, baseline,
              baseline > 0 ? rate / baseline : 0.0);
  std::fflush(stdout);
}

struct Operands {
  size_t sizeA, sizeB;
  int copies;
  device::Buffer<bf16> a, b;
  device::Buffer<float> c;

  Operands(size_t sizeA, size_t sizeB, size_t sizeC)
      : sizeA(sizeA), sizeB(sizeB), copies(std::max<int>(1, std::min<size_t>(16, ROTATED_BYTES / (2 * (sizeA + sizeB))))),
        a(random(sizeA * copies, 1)), b(random(sizeB * copies, 2)), c(sizeC) {}
  const bf16* aOf(int run) { return a.data() + run % copies * sizeA; }
  const bf16* bOf(int run) { return b.data() + run % copies * sizeB; }
};

using Kernel = void (*)(GemmArguments);

void dense(const char* kernelName, Kernel kernel, bool transposeA, bool transposeB, bool floatOut, int m, int n, int k) {
  Operands o(size_t(m) * k, size_t(k) * n, size_t(m) * n);
  GemmArguments g = {};
  g.c = o.c;
  g.strideA = transposeA ? m : k;
  g.strideB = transposeB ? k : n;
  g.strideC = n;
  g.m = m, g.n = n, g.k = k, g.groups = 1;
  int blocks = bench::residentBlocks(kernel, Large::THREADS, Large::SHARED_BYTES);
  double ours = bench::milliseconds([&](int run) {
    g.a = o.aOf(run), g.b = o.bOf(run);
    kernel<<<blocks, Large::THREADS, Large::SHARED_BYTES>>>(g);
  });
  bench::CuBlas* cublas = bench::CuBlas::open();
  double theirs = cublas == nullptr ? 0 : bench::milliseconds([&](int run) {
    cublas->multiply(transposeA, transposeB, m, n, k, o.aOf(run), int(g.strideA), o.bOf(run), int(g.strideB), o.c.data(),
                     floatOut);
  });
  char name[64];
  std::snprintf(name, sizeof name, "dense %dx%dx%d", m, n, k);
  report(name, kernelName, 2.0 * m * n * k, ours, theirs);
}

#ifdef SPARROW_HOPPER
using HopperKernel = void (*)(TensorMap, TensorMap, GemmArguments);
using Sizes = HopperGemm<true, true>;

// One rotation's maps; offsets is null for dense products.
void hopper(const char* name, const char* kernelName, HopperKernel kernel, bool transposeA, bool transposeB, bool floatOut, int m,
            int n, int k, int groups, const int* offsets) {
  Operands o(size_t(m) * k, size_t(k) * n * groups, size_t(m) * n);
  GemmArguments g = {};
  g.c = o.c;
  g.offsets = offsets;
  g.strideC = n;
  g.m = m, g.n = n, g.k = k, g.groups = groups;
  std::vector<TensorMap> a, b;
  for (int run = 0; run < o.copies; run++) {
    a.push_back(device::operandMap(o.aOf(run), !transposeA, m, k, 1, transposeA ? m : k, (long long)m * k, Sizes::ROWS));
    b.push_back(device::operandMap(o.bOf(run), transposeB, n, k, groups, transposeB ? k : n, (long long)n * k, Sizes::COLUMNS));
  }
  int blocks = bench::residentBlocks(kernel, Sizes::THREADS, Sizes::SHARED_BYTES);
  double ours = bench::milliseconds([&](int run) {
    kernel<<<blocks, Sizes::THREADS, Sizes::SHARED_BYTES>>>(a[run % o.copies], b[run % o.copies], g);
  });
  bench::CuBlas* cublas = bench::CuBlas::open();
  double theirs = cublas == nullptr ? 0 : bench::milliseconds([&](int run) {
    cublas->multiply(transposeA, transposeB, m, n, k, o.aOf(run), transposeA ? m : k, o.bOf(run), transposeB ? k : n,
                     o.c.data(), floatOut);
  });
  report(name, kernelName, 2.0 * m * n * k, ours, theirs);
}

void hopperDense(int size) {
  char name[64];
  std::snprintf(name, sizeof name, "dense %dx%dx%d", size, size, size);
  hopper(name, "hopper_gemm_nt", hopper_gemm_nt_bf16_128x256x64, false, true, false, size, size, size, 1, nullptr);
  hopper(name, "hopper_gemm_nn", hopper_gemm_nn_bf16_128x256x64, false, false, false, size, size, size, 1, nullptr);
  hopper(name, "hopper_gemm_tn", hopper_gemm_tn_f32_128x256x64, true, false, true, size, size, size, 1, nullptr);
}
#endif

// Rows of each group: all alike, by Zipf's law, or all to the first.
std::vector<int> offsetsOf(const char* load, int rows, int groups) {
  std::vector<double> share(groups);
  double total = 0;
  for (int e = 0; e < groups; e++) {
    share[e] = load[0] == 'u' ? 1 : load[0] == 'z' ? 1.0 / (e + 1) : (e == 0);
    total += share[e];
  }
  std::vector<int> offsets(groups + 1);
  double sum = 0;
  for (int e = 0; e < groups; e++) {
    sum += share[e];
    offsets[e + 1] = e + 1 == groups ? rows : int(rows * (sum / total));
  }
  return offsets;
}

void grouped(const char* load, int rows, int groups, int width, int hidden) {
  std::vector<int> offsets = offsetsOf(load, rows, groups);
  device::Buffer<int> Offsets(offsets);
  Operands o(size_t(rows) * width, size_t(groups) * hidden * width, size_t(rows) * hidden);
  GemmArguments g = {};
  g.c = o.c;
  g.offsets = Offsets;
  g.groups = groups;
  g.groupStrideB = (long long)hidden * width;
  g.strideA = g.strideB = g.k = width;
  g.strideC = g.n = hidden;
  g.m = rows;
  auto kernel = grouped_gemm_nt_bf16_128x128x32;
  int blocks = bench::residentBlocks(kernel, Large::THREADS, Large::SHARED_BYTES);
  double ours = bench::milliseconds([&](int run) {
    g.a = o.aOf(run), g.b = o.bOf(run);
    kernel<<<blocks, Large::THREADS, Large::SHARED_BYTES>>>(g);
  });
  bench::CuBlas* cublas = bench::CuBlas::open();
  double theirs = cublas == nullptr ? 0 : bench::milliseconds([&](int run) {
    cublas->multiply(false, true, rows, hidden, width, o.aOf(run), width, o.bOf(run), width, o.c.data(), false);
  });
  char name[64];
  std::snprintf(name, sizeof name, "grouped E%d %dx%dx%d %s", groups, rows, hidden, width, load);
  report(name, "grouped_gemm_nt_bf16_128x128x32", 2.0 * rows * hidden * width, ours, theirs);
#ifdef SPARROW_HOPPER
  hopper(name, "hopper_grouped_gemm_nt", hopper_grouped_gemm_nt_bf16_128x256x64, false, true, false, rows, hidden, width, groups,
         Offsets);
#endif
}

}  // namespace

int main() {
  std::printf("device: %s%s\n", device::name().c_str(), bench::CuBlas::open() == nullptr ? ", no cuBLAS found" : "");
  for (int size : {2048, 8192}) {
    dense("gemm_nt_bf16_128x128x32", gemm_nt_bf16_128x128x32, false, true, false, size, size, size);
    dense("gemm_nn_bf16_128x128x32", gemm_nn_bf16_128x128x32, false, false, false, size, size, size);
    dense("gemm_tn_f32_128x128x32", gemm_tn_f32_128x128x32, true, false, true, size, size, size);
#ifdef SPARROW_HOPPER
    hopperDense(size);
#endif
  }
  for (const char* load : {"uniform", "zipf", "one"})
    for (int groups : {8, 64, 128}) grouped(load, 32768, groups, 2048, 2048);
}
