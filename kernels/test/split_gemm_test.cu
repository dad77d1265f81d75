// Checks of gemm/split_gemm.cu against double arithmetic: what counts is that nothing of fp32 is lost.
#include "gemm/split_gemm.cu"

#include "common/launch.cuh"
#include "test/gemm_check.h"

using namespace gemm_check;

namespace {

using Kernel = void (*)(GemmArguments);

struct Entry {
  const char* name;
  Kernel kernel;
  int threads;
  size_t sharedBytes;
};

template <class Product>
Entry entry(const char* name, Kernel kernel) {
  return {name, kernel, Product::THREADS, Product::SHARED_BYTES};
}

const Entry NT[] = {entry<split::TallLogits>("nt 256x64x32", split_gemm_nt_bf16_f32_f32_256x64x32),
                    entry<split::SmallLogits>("nt 128x64x32", split_gemm_nt_bf16_f32_f32_128x64x32)};
const Entry NN = entry<split::InputGradient>("nn 128x128x32", split_gemm_nn_f32_f32_bf16_128x128x32);
const Entry TN = entry<split::WeightGradient>("tn 64x256x32", split_gemm_tn_f32_bf16_f32_64x256x32);

std::string describe(const Entry& e, Shape s) {
  return std::string(e.name) + " (" + std::to_string(s.m) + ", " + std::to_string(s.n) + ", " + std::to_string(s.k) + ")";
}

// An fp32 matrix, and its parts on the device as split_f32_bf16 makes them.
struct SplitMatrix {
  int rows, columns, stride;
  std::vector<float> values;
  device::Buffer<bf16> parts;

  SplitMatrix(int rows, int columns, const std::vector<float>& values, int offset = 0)
      : rows(rows), columns(columns), stride(padded(columns)), values(values), parts(size_t(3) * rows * stride) {
    std::vector<float> shifted(offset, NAN);
    shifted.insert(shifted.end(), values.begin(), values.end());
    shifted.push_back(NAN);
    device::Buffer<float> x(shifted);
    device::launch(split_f32_bf16, 3, 64, 0, x.data() + offset, parts, rows, columns, stride);
  }
  SplitMatrix(test::Check& check, int rows, int columns, float scale = 1.0f)
      : SplitMatrix(rows, columns, check.normal<float>(size_t(rows) * columns, scale)) {}
  double at(int r, int c) const { return values[size_t(r) * columns + c]; }
};

GemmArguments arguments(const bf16* a, long long strideA, const bf16* b, long long strideB, void* c, long long strideC, Shape s) {
  GemmArguments g = {};
  g.a = a;
  g.b = b;
  g.c = c;
  g.strideA = strideA;
  g.strideB = strideB;
  g.strideC = strideC;
  g.m = s.m, g.n = s.n, g.k = s.k, g.groups = 1;
  return g;
}

// One token, odd, around the tiles; 8 experts to several tiles of them; several stages and rounds of the ring.
const Shape LOGITS[] = {{1, 8, 8},     {3, 7, 24},   {63, 32, 40},  {127, 33, 64}, {128, 64, 160},
                        {129, 65, 72}, {255, 8, 32}, {257, 130, 8}, {256, 60, 328}};

SPARROW_CHECK(split_gemm, logits_lose_nothing_of_the_fp32_weight) {
  for (const Entry& e : NT)
    for (const Shape& s : LOGITS) {
      Stored x(check, s.m, s.k, 8);
      SplitMatrix w(check, s.n, s.k);
      device::Buffer<bf16> X(x.values);
      device::Buffer<float> C(size_t(s.m) * s.n);
      device::launch(e.kernel, check.integer(1, 4), e.threads, e.sharedBytes,
                     arguments(X, x.stride, w.parts, w.stride, C.data(), s.n, s));
      check.near(describe(e, s), C.toHost(), product(x, w, false, true, s), absoluteTolerance(s.k), 1e-6);
    }
}

// Tokens off every stage, in one part and in several.
SPARROW_CHECK(split_gemm, the_weight_gradient_loses_nothing_of_fp32_logits_gradients) {
  for (int parts : {1, 3})
    for (Shape s : {Shape{8, 8, 1}, Shape{7, 24, 31}, Shape{33, 255, 33}, Shape{64, 256, 64}, Shape{65, 257, 65},
                    Shape{60, 40, 500}, Shape{130, 72, 200}})
      for (bool accumulate : {false, true}) {
        SplitMatrix dlogits(check, s.k, s.m);
        Stored x(check, s.k, s.n, 0);
        auto before = check.normal<float>(size_t(parts) * s.m * s.n);
        device::Buffer<bf16> X(x.values);
        device::Buffer<float> C(before.size());
        if (accumulate) device::copy(C.data(), before.data(), before.size() * sizeof(float));
        GemmArguments g = arguments(dlogits.parts, dlogits.stride, X, x.stride, C.data(), s.n, s);
        g.groups = parts;
        g.groupStrideC = (long long)s.m * s.n;
        g.accumulate = accumulate;
        device::launch(TN.kernel, check.integer(1, 5), TN.threads, TN.sharedBytes, g);
        std::vector<float> shares = C.toHost();
        std::vector<double> expected = product(dlogits, x, true, false, s), sum(expected.size());
        for (size_t i = 0; i < shares.size(); i++) {
          sum[i % sum.size()] += shares[i];
          if (accumulate) expected[i % sum.size()] += before[i];
        }
        check.near(describe(TN, s) + ", " + std::to_string(parts) + " parts", sum, expected, absoluteTolerance(s.k), 1e-6);
      }
}

SPARROW_CHECK(split_gemm, the_input_gradient_is_right_to_its_last_bit_but_rounding) {
  for (bool accumulate : {false, true})
    for (Shape s : {Shape{1, 8, 8}, Shape{3, 24, 7}, Shape{127, 40, 33}, Shape{128, 128, 64}, Shape{129, 136, 65},
                    Shape{5, 257, 60}, Shape{130, 16, 256}}) {
      SplitMatrix dlogits(check, s.m, s.k), w(check, s.k, s.n);
      int stride = padded(s.n);
      auto before = check.normal<bf16>(size_t(s.m) * stride);
      device::Buffer<bf16> C(before.size());
      if (accumulate) device::copy(C.data(), before.data(), before.size() * sizeof(bf16));
      GemmArguments g = arguments(dlogits.parts, dlogits.stride, w.parts, w.stride, C.data(), stride, s);
      g.accumulate = accumulate;
      device::launch(NN.kernel, check.integer(1, 3), NN.threads, NN.sharedBytes, g);
      std::vector<bf16> stored = C.toHost(), actual;
      std::vector<double> expected = product(dlogits, w, false, false, s);
      for (int r = 0; r < s.m; r++)
        for (int c = 0; c < s.n; c++) {
          actual.push_back(stored[size_t(r) * stride + c]);
          if (accumulate) expected[size_t(r) * s.n + c] += toFloat(before[size_t(r) * stride + c]);
        }
      // 2^-16 of k terms of random signs, of which a few are ten times as large as the others; bf16's half unit of the
      // last place.
      check.near(describe(NN, s), actual, expected, 0x1p-15 * std::sqrt(s.k) + 2e-6, 0x1p-8 + 1e-4);
    }
}

// Terms that cancel show what was left out: x0·w0 - x0·w1, where w0 and w1 differ in their last bits.
SPARROW_CHECK(split_gemm, what_cancels_leaves_the_last_bits) {
  Shape s{16, 8, 32};
  Stored x(check, s.m, s.k, 0);
  std::vector<float> w(size_t(s.n) * s.k);
  for (int n = 0; n < s.n; n++)
    for (int k = 0; k < s.k; k += 2) {
      float v = 1 + std::fabs(check.normal<float>(1)[0]);
      w[n * s.k + k] = v;
      w[n * s.k + k + 1] = -std::nextafter(v, 8.0f);
    }
  for (int r = 0; r < s.m; r++)
    for (int k = 0; k < s.k; k += 2) x.values[r * x.stride + k + 1] = x.values[r * x.stride + k];
  SplitMatrix split(s.n, s.k, w);
  device::Buffer<bf16> X(x.values);
  device::Buffer<float> C(size_t(s.m) * s.n);
  device::launch(NT[1].kernel, 1, NT[1].threads, NT[1].sharedBytes,
                 arguments(X, x.stride, split.parts, split.stride, C.data(), s.n, s));
  // The result is some 1e-7 of the terms; fp32's roundings of the sums on the way are as large.
  check.near("what is left", C.toHost(), product(x, split, false, true, s), 2e-6, 0);
}

SPARROW_CHECK(split_gemm, the_three_parts_are_the_number) {
  for (int columns : {1, 7, 8, 9, 60, 64})
    for (int offset : {0, 1, 4}) {
      int rows = 5, stride = padded(columns);
      auto x = check.normal<float>(size_t(rows) * columns);
      const float special[] = {0.0f, -0.0f, 1e-30f, -3e38f, 1.0000001f, 16777215.0f, -1.99999988f};
      for (size_t i = 0; i < x.size() && i < 7; i++) x[i] = special[i];
      SplitMatrix split(rows, columns, x, offset);
      std::vector<bf16> parts = split.parts.toHost();
      for (int r = 0; r < rows; r++)
        for (int c = 0; c < stride; c++) {
          double sum = 0, expected = c < columns ? x[size_t(r) * columns + c] : 0.0;
          for (int part = 0; part < 3; part++) sum += toFloat(parts[(size_t(part) * rows + r) * stride + c]);
          check.that(sum == expected, "row " + std::to_string(r) + ", column " + std::to_string(c) + " of " +
                                          std::to_string(columns) + ": the parts add up to " + std::to_string(sum) +
                                          ", expected " + std::to_string(expected));
        }
    }
}

SPARROW_CHECK(split_gemm, parts_of_what_is_not_finite) {
  std::vector<float> x = {INFINITY, -INFINITY, NAN, 3.4e38f, 1, 2, 3, 4};
  std::vector<bf16> parts = SplitMatrix(1, 8, x).parts.toHost();
  check.that(toFloat(parts[0]) == INFINITY && toFloat(parts[1]) == -INFINITY, "infinity is not kept");
  check.that(std::isnan(toFloat(parts[2])), "NaN is not kept");
  check.that(toFloat(parts[3]) == INFINITY, "what rounds to infinity is not infinite");
  for (int part : {1, 2})
    for (int i = 0; i < 4; i++) check.that(toFloat(parts[part * 8 + i]) == 0, "a part behind infinity or NaN is not 0");
}

SPARROW_CHECK(split_gemm, the_number_of_blocks_changes_no_bit) {
  Shape s{300, 130, 96};
  Stored x(check, s.m, s.k, 0);
  SplitMatrix w(check, s.n, s.k);
  device::Buffer<bf16> X(x.values);
  std::vector<float> first;
  for (int blocks : {1, 4, 12}) {
    for (const Entry& e : NT) {
      device::Buffer<float> C(size_t(s.m) * s.n);
      device::launch(e.kernel, blocks, e.threads, e.sharedBytes, arguments(X, x.stride, w.parts, w.stride, C.data(), s.n, s));
      if (first.empty()) first = C.toHost();
      else check.identical(std::string(e.name) + ", blocks " + std::to_string(blocks), C.toHost(), first);
    }
  }
}

}  // namespace
