// Products as gpu-core launches them (MmaGemm, HopperGemm) and as cuBLAS does, and a look at drawn elements of their results.
#pragma once

#include "gemm/mma_gemm.cu"
#ifdef SPARROW_HOPPER
#include "gemm/hopper_gemm.cu"
#include "test/tensor_map.h"
#endif

#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/cublas.h"
#include "bench/data.cuh"
#include "bench/stopwatch.h"
#include "common/double_sum.cuh"

namespace bench {

enum Form { NT, NN, TN };  // forward, gradient of the input, gradient of the weight; see gemm/mma_gemm.cu
inline const char* nameOf(Form form) { return form == NT ? "nt" : form == NN ? "nn" : "tn"; }

// C (+)= A·B, A (m, k) and B (k, n) stored contiguously as the form says; C is bf16, of tn fp32. With offsets the product is
// grouped: ragged rows of A (nt, nn), or of both (tn), of which there are m or k in all.
struct Product {
  Form form;
  int m, n, k;
  const bf16* a;
  const bf16* b;
  void* c;
  int groups = 1;
  const int* offsets = nullptr;
  bool accumulate = false;

  bool isGrouped() const { return offsets != nullptr; }
  double flops() const { return 2.0 * m * n * k; }
  std::string sizes() const { return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k); }
  int strideA() const { return form == TN ? m : k; }
  int strideB() const { return form == NT ? k : n; }
  size_t sizeA() const { return size_t(m) * k; }
  size_t sizeB() const { return size_t(n) * k * (form == TN ? 1 : groups); }
  size_t sizeC() const { return size_t(m) * n * (form == TN ? groups : 1); }

  GemmArguments arguments() const {
    GemmArguments g = {};
    g.a = a, g.b = b, g.c = c;
    g.offsets = offsets;
    g.groupStrideB = isGrouped() && form != TN ? (long long)n * k : 0;
    g.groupStrideC = isGrouped() && form == TN ? (long long)m * n : 0;
    g.strideA = strideA(), g.strideB = strideB(), g.strideC = n;
    g.m = m, g.n = n, g.k = k, g.groups = groups;
    g.accumulate = accumulate;
    return g;
  }
};

// A product by mma.sync: large tiles where they fill the device.
class MmaLaunch {
 public:
  explicit MmaLaunch(const Product& p) : arguments_(p.arguments()) {
    large_ = tiles(p, Large::ROWS) >= device::multiprocessors();
    kernel_ = KERNELS[p.isGrouped()][p.form][large_];
    grid_ = int(std::min(2ll * device::multiprocessors(), tiles(p, large_ ? Large::ROWS : Small::ROWS)));
  }

  void operator()() const {
    device::enqueue(kernel_, grid_, large_ ? Large::THREADS : Small::THREADS, large_ ? Large::SHARED_BYTES : Small::SHARED_BYTES,
                    arguments_);
  }

  std::string name() const { return large_ ? "mma.sync 128x128x32" : "mma.sync 64x64x32"; }

 private:
  using Kernel = void (*)(GemmArguments);
  static constexpr Kernel KERNELS[2][3][2] = {
      {{gemm_nt_bf16_64x64x32, gemm_nt_bf16_128x128x32},
       {gemm_nn_bf16_64x64x32, gemm_nn_bf16_128x128x32},
       {gemm_tn_f32_64x64x32, gemm_tn_f32_128x128x32}},
      {{grouped_gemm_nt_bf16_64x64x32, grouped_gemm_nt_bf16_128x128x32},
       {grouped_gemm_nn_bf16_64x64x32, grouped_gemm_nn_bf16_128x128x32},
       {grouped_gemm_tn_f32_64x64x32, grouped_gemm_tn_f32_128x128x32}}};

  // Each ragged group may begin and end within a tile.
  static long long tiles(const Product& p, int edge) {
    long long down = (p.m + edge - 1) / edge, across = (p.n + edge - 1) / edge;
    if (!p.isGrouped()) return down * across;
    return p.form == TN ? down * across * p.groups : (down + p.groups) * across;
  }

  GemmArguments arguments_;
  Kernel kernel_;
  bool large_;
  int grid_;
};

#ifdef SPARROW_HOPPER

// A product by the copy engine and wgmma.
class HopperLaunch {
 public:
  explicit HopperLaunch(const Product& p)
      : arguments_(p.arguments()), kernel_(KERNELS[p.isGrouped()][p.form]),
        a_(device::operandMap(p.a, p.form != TN, p.m, p.k, 1, p.strideA(), (long long)p.m * p.k, Sizes::ROWS)),
        b_(device::operandMap(p.b, p.form == NT, p.n, p.k, p.form == TN ? 1 : p.groups, p.strideB(), (long long)p.n * p.k,
                              Sizes::COLUMNS)) {}

  void operator()() const {
    device::enqueue(kernel_, device::multiprocessors(), Sizes::THREADS, Sizes::SHARED_BYTES, a_, b_, arguments_);
  }

  // Whether the tiles fill half of the device; smaller ones are better else.
  static bool takes(const Product& p) {
    long long down = (p.m + Sizes::ROWS - 1) / Sizes::ROWS, across = (p.n + Sizes::COLUMNS - 1) / Sizes::COLUMNS;
    return 2 * down * across * (p.form == TN ? p.groups : 1) >= device::multiprocessors();
  }

  std::string name() const { return "wgmma 128x256x64"; }

 private:
  using Sizes = HopperGemm<true, true>;
  using Kernel = void (*)(TensorMap, TensorMap, GemmArguments);
  static constexpr Kernel KERNELS[2][3] = {
      {hopper_gemm_nt_bf16_128x256x64, hopper_gemm_nn_bf16_128x256x64, hopper_gemm_tn_f32_128x256x64},
      {hopper_grouped_gemm_nt_bf16_128x256x64, hopper_grouped_gemm_nn_bf16_128x256x64, hopper_grouped_gemm_tn_f32_128x256x64}};

  GemmArguments arguments_;
  Kernel kernel_;
  TensorMap a_, b_;
};

#endif

// A product as the backend would launch it.
struct GemmLaunch {
  std::string kernel;
  Body queue;

  explicit GemmLaunch(const Product& p) {
#ifdef SPARROW_HOPPER
    if (HopperLaunch::takes(p)) {
      HopperLaunch launch(p);
      kernel = launch.name(), queue = launch;
      return;
    }
#endif
    MmaLaunch launch(p);
    kernel = launch.name(), queue = launch;
  }
  void operator()() const { queue(); }
};

// The same by cuBLAS; of a grouped product one dense product of as many operations, by the first group's B.
inline Body cublasOf(CuBlas* cublas, const Product& p) {
  return [=] {
    cublas->multiply(p.form == TN, p.form == NT, p.m, p.n, p.k, p.a, p.strideA(), p.b, p.strideB(), p.c, p.form == TN,
                     p.accumulate);
  };
}

// An element of C and the group that it belongs to.
struct Sample {
  int group;
  long long row;
  int column;
};

// found[2i] = element i of C, found[2i + 1] = what it should be, summed in double; where elements lie is said once more, apart
// from the strides that the kernels are given. A block of 128 threads for each.
template <class Out>
__global__ void computeSamples(Product p, const Sample* samples, double* found) {
  __shared__ double scratch[32];
  Sample s = samples[blockIdx.x];
  long long m = p.m, n = p.n, k = p.k, first = 0, end = k;
  if (p.form == TN && p.offsets != nullptr) first = p.offsets[s.group], end = p.offsets[s.group + 1];
  const bf16* b = p.b + (p.form == TN ? 0 : s.group * n * k);
  double sum = 0;
  for (long long depth = first + threadIdx.x; depth < end; depth += blockDim.x) {
    float left = toFloat(p.form == TN ? p.a[depth * m + s.row] : p.a[s.row * k + depth]);
    float right = toFloat(p.form == NT ? b[s.column * k + depth] : b[depth * n + s.column]);
    sum += double(left) * right;
  }
  sum = blockSumDouble(sum, scratch);
  if (threadIdx.x != 0) return;
  const Out* c = static_cast<const Out*>(p.c) + (p.form == TN ? s.group * m * n : 0);
  found[2 * blockIdx.x] = toFloat(c[s.row * n + s.column]);
  found[2 * blockIdx.x + 1] = sum;
}

// Draws elements of a product that has run once, and throws where one is not the sum of its terms. It looks for wrong
// operands, offsets and strides, at the size that is timed; rounding is the business of test/. Operands are unit normals.
inline void requireProduct(const std::string& what, const Product& p, const std::vector<int>& offsets) {
  constexpr int COUNT = 256;
  std::mt19937 generator(7);
  auto below = [&](int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(generator); };
  std::vector<Sample> samples(COUNT);
  for (Sample& s : samples) {
    s = {0, below(p.m), below(p.n)};
    if (p.isGrouped() && p.form == TN) s.group = below(p.groups);
    else if (p.isGrouped())
      while (offsets[s.group + 1] <= s.row) s.group++;
  }
  device::Buffer<Sample> Samples(samples);
  device::Buffer<double> Found(2 * COUNT);
  auto kernel = p.form == TN ? computeSamples<float> : computeSamples<bf16>;
  device::launch(kernel, COUNT, 128, 0, p, Samples, Found);
  std::vector<double> found = Found.toHost();
  for (int i = 0; i < COUNT; i++) {
    double allowed = 2e-3 * std::sqrt(double(p.k)) + 0.004 * std::fabs(found[2 * i + 1]);
    if (!(std::fabs(found[2 * i] - found[2 * i + 1]) <= allowed))
      throw std::runtime_error(what + ": row " + std::to_string(samples[i].row) + ", column " + std::to_string(samples[i].column) +
                               " of group " + std::to_string(samples[i].group) + ": got " + std::to_string(found[2 * i]) +
                               ", expected " + std::to_string(found[2 * i + 1]));
  }
}

// Memory of a product, and the looks at what is launched over it.
class ProductMemory {
 public:
  // Draws operands and gives p its pointers.
  explicit ProductMemory(Product& p)
      : a_(p.sizeA()), b_(p.sizeB()), half_(p.form == TN ? 0 : p.sizeC()), full_(p.form == TN ? p.sizeC() : 0) {
    p.a = a_, p.b = b_;
    p.c = p.form == TN ? static_cast<void*>(full_.data()) : half_.data();
  }

  // Runs the launch over poison, or zeros where it adds to C, and throws unless all of C is written, and right.
  void require(const std::string& what, const Product& p, const Body& launch, const std::vector<int>& offsets = {}) {
    unsigned char before = p.accumulate ? 0 : 0xFF;
    device::fill(half_.data(), before, half_.bytes());
    device::fill(full_.data(), before, full_.bytes());
    launch();
    requireProduct(what, p, offsets);
    requireAllWritten(what, half_, full_);
  }

 private:
  Normal<bf16> a_, b_;
  device::Buffer<bf16> half_;   // C where it is bf16
  device::Buffer<float> full_;  // C of tn
};

}  // namespace bench
