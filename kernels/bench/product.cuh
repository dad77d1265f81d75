// A product as a benchmark asks for it, its memory, and a look at drawn elements of its result.
#pragma once

#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/data.cuh"
#include "bench/stopwatch.h"
#include "common/double_sum.cuh"
#include "gemm/gemm.cuh"

namespace bench {

enum Form { NT, NN, TN };  // forward, gradient of the input, gradient of the weight; see gemm/mma_gemm.cu
inline const char* nameOf(Form form) { return form == NT ? "nt" : form == NN ? "nn" : "tn"; }

// What happens to a sum on its way out of nt or nn (GemmArguments); null: not asked for.
struct Epilogue {
  const bf16* bias = nullptr;      // (n)
  const bf16* residual = nullptr;  // (m, n)
  bf16* preactivation = nullptr;   // (m, n): nt writes it, nn reads it
  GemmActivation activation = GEMM_IDENTITY;
};

// C (+)= A·B, A (m, k) and B (k, n) stored contiguously as the form says; C is bf16, of tn fp32. With offsets the product is
// grouped: ragged rows of A (nt, nn), or of both (tn), of which there are m or k in all. With rows it is gathered too: row p
// of x, which is A of nt and B of tn, is stored row rows[p] of storedRows.
struct Product {
  Form form;
  int m, n, k;
  const bf16* a = nullptr;
  const bf16* b = nullptr;
  void* c = nullptr;
  int groups = 1;
  const int* offsets = nullptr;
  bool accumulate = false;
  const int* rows = nullptr;
  int storedRows = 0;
  Epilogue epilogue = {};
  float deviationB = 1;  // of B's elements; those of A are unit normals

  bool isGrouped() const { return offsets != nullptr; }
  bool isGathered() const { return rows != nullptr; }
  double flops() const { return 2.0 * m * n * k; }
  std::string sizes() const { return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k); }
  int strideA() const { return form == TN ? m : k; }
  int strideB() const { return form == NT ? k : n; }
  size_t sizeA() const { return size_t(isGathered() && form == NT ? storedRows : m) * k; }
  size_t sizeB() const { return size_t(n) * (isGathered() && form == TN ? storedRows : k) * (form == TN ? 1 : groups); }
  size_t sizeC() const { return size_t(m) * n * (form == TN ? groups : 1); }

  GemmArguments arguments() const {
    GemmArguments g = {};
    g.a = a, g.b = b, g.c = c;
    g.bias = epilogue.bias, g.residual = epilogue.residual, g.preactivation = epilogue.preactivation;
    g.activation = epilogue.activation;
    g.offsets = offsets, g.rows = rows;
    g.groupStrideB = isGrouped() && form != TN ? (long long)n * k : 0;
    g.groupStrideC = isGrouped() && form == TN ? (long long)m * n : 0;
    g.strideA = strideA(), g.strideB = strideB(), g.strideC = n;
    g.m = m, g.n = n, g.k = k, g.groups = groups;
    g.accumulate = accumulate;
    return g;
  }
};

// An element of C and the group that it belongs to.
struct Sample {
  int group;
  long long row;
  int column;
};

// What becomes of an element's sum.
static __device__ double writtenOut(const Product& p, const Sample& s, double sum) {
  const Epilogue& e = p.epilogue;
  long long at = s.row * p.n + s.column;
  double value = sum + (e.bias != nullptr ? toFloat(e.bias[s.column]) : 0.0f);
  withActivation(e.activation, [&](auto f) {
    if (p.form == NT) value = decltype(f)::at(float(value)).value;
    else value *= decltype(f)::at(toFloat(e.preactivation[at])).slope;
  });
  return value + (e.residual != nullptr ? toFloat(e.residual[at]) : 0.0f);
}

// found[2i] = element i of C, found[2i + 1] = what it should be, summed in double; where elements lie is said once more, apart
// from the strides that the kernels are given. A block of 128 threads for each.
template <class Out>
__global__ void computeSamples(Product p, const Sample* samples, double* found) {
  __shared__ double scratch[32];
  Sample s = samples[blockIdx.x];
  long long m = p.m, n = p.n, k = p.k, first = 0, end = k;
  if (p.form == TN && p.offsets != nullptr) first = p.offsets[s.group], end = p.offsets[s.group + 1];
  const bf16* b = p.b + (p.form == TN ? 0 : s.group * n * k);
  long long row = p.form == NT && p.rows != nullptr ? p.rows[s.row] : s.row;
  double sum = 0;
  for (long long depth = first + threadIdx.x; depth < end; depth += blockDim.x) {
    long long step = p.form == TN && p.rows != nullptr ? p.rows[depth] : depth;
    float left = toFloat(p.form == TN ? p.a[depth * m + s.row] : p.a[row * k + depth]);
    float right = toFloat(p.form == NT ? b[s.column * k + depth] : b[step * n + s.column]);
    sum += double(left) * right;
  }
  sum = blockSumDouble(sum, scratch);
  if (threadIdx.x != 0) return;
  const Out* c = static_cast<const Out*>(p.c) + (p.form == TN ? s.group * m * n : 0);
  found[2 * blockIdx.x] = toFloat(c[s.row * n + s.column]);
  found[2 * blockIdx.x + 1] = writtenOut(p, s, sum);
}

// Draws elements of a product that has run once, and throws where one is not the sum of its terms. It looks for wrong
// operands, offsets and strides, at the size that is timed; rounding is the business of test/. slack is what is allowed besides,
// in deviations of a sum: for sums that were rounded before they were whole.
inline void requireProduct(const std::string& what, const Product& p, const std::vector<int>& offsets, double slack = 0) {
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
    double allowed = (2e-3 + slack) * p.deviationB * std::sqrt(double(p.k)) + 0.004 * std::fabs(found[2 * i + 1]);
    if (!(std::fabs(found[2 * i] - found[2 * i + 1]) <= allowed))
      throw std::runtime_error(what + ": row " + std::to_string(samples[i].row) + ", column " + std::to_string(samples[i].column) +
                               " of group " + std::to_string(samples[i].group) + ": got " + std::to_string(found[2 * i]) +
                               ", expected " + std::to_string(found[2 * i + 1]));
  }
}

// Memory of a product, and the looks at what is launched over it.
class ProductMemory {
 public:
  // Draws operands, and the preactivation where there is a nonlinearity, and gives p its pointers.
  explicit ProductMemory(Product& p)
      : a_(p.sizeA()), b_(p.sizeB(), p.deviationB), preactivation_(p.epilogue.activation == GEMM_IDENTITY ? 0 : p.sizeC()),
        half_(p.form == TN ? 0 : p.sizeC()), full_(p.form == TN ? p.sizeC() : 0) {
    p.a = a_, p.b = b_;
    p.c = p.form == TN ? static_cast<void*>(full_.data()) : half_.data();
    if (preactivation_.size() > 0) p.epilogue.preactivation = preactivation_;
  }

  // Runs the launch over poison, or zeros where it adds to C, and throws unless all of C is written, and right.
  void require(const std::string& what, const Product& p, const Body& launch, const std::vector<int>& offsets = {},
               double slack = 0) {
    unsigned char before = p.accumulate ? 0 : 0xFF;
    device::fill(half_.data(), before, half_.bytes());
    device::fill(full_.data(), before, full_.bytes());
    if (p.form == NT) preactivation_.poison();
    launch();
    requireProduct(what, p, offsets, slack);
    requireAllWritten(what, half_, full_, preactivation_);
    if (p.form == NT && preactivation_.size() > 0) requirePreactivation(what, p, offsets);
  }

 private:
  void requirePreactivation(const std::string& what, Product p, const std::vector<int>& offsets) const {
    p.c = p.epilogue.preactivation;
    p.epilogue = {p.epilogue.bias};
    requireProduct(what + ", preactivation", p, offsets);
  }

  Normal<bf16> a_, b_, preactivation_;
  device::Buffer<bf16> half_;   // C where it is bf16
  device::Buffer<float> full_;  // C of tn
};

}  // namespace bench
