// Checks of gemm/hopper_gemm.cu against double arithmetic; on a Hopper GPU only.
#ifdef SPARROW_HOPPER
#include "gemm/hopper_gemm.cu"

#include "common/launch.cuh"
#include "test/gemm_check.h"
#include "test/tensor_map.h"

using namespace gemm_check;

namespace {

using Kernel = void (*)(TensorMap, TensorMap, GemmArguments);
using Sizes = HopperGemm<true, true>;

// Tile - 1, tile, tile + 1 of either edge; many stages; more tiles than one.
const Shape HOPPER_SHAPES[] = {{1, 8, 8},      {3, 7, 24},      {127, 255, 64},  {128, 256, 64},
                               {129, 257, 72}, {300, 520, 512}, {64, 1000, 1000}};

// strides[1] of a map must not be 0 where there is one group.
long long atLeastOneRow(long long elements) { return elements < 8 ? 8 : elements; }

template <class Out>
void checkDense(test::Check& check, const char* name, Kernel kernel, bool transposedA, bool transposedB, Shape s, int blocks) {
  if (transposedA) s.k += 3;
  Stored a(check, transposedA ? s.k : s.m, transposedA ? s.m : s.k, 8), b(check, transposedB ? s.n : s.k, transposedB ? s.k : s.n, 0);
  int stride = padded(s.n);
  device::Buffer<bf16> A(a.values), B(b.values);
  device::Buffer<Out> C(size_t(s.m) * stride);
  GemmArguments g = {};
  g.c = C.data();
  g.strideC = stride;
  g.m = s.m, g.n = s.n, g.k = s.k, g.groups = 1;
  TensorMap mapA = device::operandMap(A, !transposedA, s.m, s.k, 1, a.stride, atLeastOneRow((long long)a.rows * a.stride), Sizes::ROWS);
  TensorMap mapB = device::operandMap(B, transposedB, s.n, s.k, 1, b.stride, atLeastOneRow((long long)b.rows * b.stride), Sizes::COLUMNS);
  device::launch(kernel, blocks, Sizes::THREADS, Sizes::SHARED_BYTES, mapA, mapB, g);
  std::string what = std::string(name) + " (" + std::to_string(s.m) + ", " + std::to_string(s.n) + ", " + std::to_string(s.k) + ")";
  auto actual = dense(check, what, C.toHost(), s.m, s.n, stride);
  check.near(what, actual, product(a, b, transposedA, transposedB, s), absoluteTolerance(s.k), sizeof(Out) == 2 ? 0.0040 : 2e-6);
}

void checkRaggedRows(test::Check& check, const char* name, Kernel kernel, bool transposedB, const std::vector<int>& rows) {
  std::vector<int> offsets = offsetsOf(rows);
  int groups = int(rows.size()), used = offsets.back(), n = 264, k = 136, m = used + 5;
  Stored a(check, m, k, 0), b(check, groups * (transposedB ? n : k), transposedB ? k : n, 0);
  device::Buffer<bf16> A(a.values), B(b.values), C(size_t(m) * n);
  device::Buffer<int> Offsets(offsets);
  GemmArguments g = {};
  g.c = C.data();
  g.strideC = n;
  g.offsets = Offsets;
  g.m = m, g.n = n, g.k = k, g.groups = groups;
  TensorMap mapA = device::operandMap(A, true, m, k, 1, k, (long long)m * k, Sizes::ROWS);
  TensorMap mapB = device::operandMap(B, transposedB, n, k, groups, b.stride, (long long)n * k, Sizes::COLUMNS);
  device::launch(kernel, 7, Sizes::THREADS, Sizes::SHARED_BYTES, mapA, mapB, g);
  auto expected = raggedRowsProduct(a, b, transposedB, offsets, m, n, k);
  check.near(std::string(name) + ", " + std::to_string(groups) + " groups", C.toHost(), expected, absoluteTolerance(k), 0.0040);
}

void checkRaggedDepth(test::Check& check, const std::vector<int>& rows) {
  std::vector<int> offsets = offsetsOf(rows);
  int groups = int(rows.size()), used = offsets.back(), m = 136, n = 264;
  Stored a(check, used + 5, m, 0), b(check, used + 5, n, 0);
  // What follows the last group's rows must not be seen, not even multiplied by 0.
  a.poisonFrom(used);
  b.poisonFrom(used);
  device::Buffer<bf16> A(a.values), B(b.values);
  device::Buffer<float> C(size_t(groups) * m * n);
  device::Buffer<int> Offsets(offsets);
  GemmArguments g = {};
  g.c = C.data();
  g.strideC = n;
  g.groupStrideC = (long long)m * n;
  g.offsets = Offsets;
  g.m = m, g.n = n, g.groups = groups;
  TensorMap mapA = device::operandMap(A, false, m, used + 5, 1, m, (long long)(used + 5) * m, Sizes::ROWS);
  TensorMap mapB = device::operandMap(B, false, n, used + 5, 1, n, (long long)(used + 5) * n, Sizes::COLUMNS);
  device::launch(hopper_grouped_gemm_tn_f32_128x256x64, 7, Sizes::THREADS, Sizes::SHARED_BYTES, mapA, mapB, g);
  std::vector<double> expected(size_t(groups) * m * n, 0.0);
  addRaggedDepthProduct(a, b, offsets, m, n, expected);
  check.near("grouped tn, " + std::to_string(groups) + " groups", C.toHost(), expected, absoluteTolerance(used), 2e-6);
}

void checkEpilogueOf(test::Check& check, const char* name, Kernel kernel, bool forward, const std::vector<int>* rows, Shape s) {
  checkEpilogue(check, name, forward, rows, s, [&](GemmArguments g, const Stored& a, const Stored& b, bf16* A, bf16* B) {
    long long groupB = atLeastOneRow((long long)b.rows / g.groups * b.stride);
    TensorMap mapA = device::operandMap(A, true, g.m, g.k, 1, a.stride, atLeastOneRow((long long)a.rows * a.stride), Sizes::ROWS);
    TensorMap mapB = device::operandMap(B, forward, g.n, g.k, g.groups, b.stride, groupB, Sizes::COLUMNS);
    device::launch(kernel, 3, Sizes::THREADS, Sizes::SHARED_BYTES, mapA, mapB, g);
  });
}

}  // namespace

SPARROW_CHECK(hopper_gemm, dense_products_equal_the_plain_ones) {
  for (const Shape& s : HOPPER_SHAPES) {
    checkDense<bf16>(check, "nt", hopper_gemm_nt_bf16_128x256x64, false, true, s, 3);
    checkDense<bf16>(check, "nn", hopper_gemm_nn_bf16_128x256x64, false, false, s, 2);
    checkDense<float>(check, "tn", hopper_gemm_tn_f32_128x256x64, true, false, s, 1);
  }
}

SPARROW_CHECK(hopper_gemm, ragged_rows_meet_their_own_weight) {
  for (const auto& rows : LOADS) {
    checkRaggedRows(check, "grouped nt", hopper_grouped_gemm_nt_bf16_128x256x64, true, rows);
    checkRaggedRows(check, "grouped nn", hopper_grouped_gemm_nn_bf16_128x256x64, false, rows);
  }
  checkRaggedRows(check, "grouped nt", hopper_grouped_gemm_nt_bf16_128x256x64, true, manyGroups());
}

SPARROW_CHECK(hopper_gemm, epilogue_applies_f_or_its_slope_and_adds_a_residual) {
  for (Shape s : {Shape{300, 264, 40}, Shape{5, 13, 16}}) {
    checkEpilogueOf(check, "nt", hopper_gemm_nt_bf16_128x256x64, true, nullptr, s);
    checkEpilogueOf(check, "nn", hopper_gemm_nn_bf16_128x256x64, false, nullptr, s);
  }
  checkEpilogueOf(check, "grouped nt", hopper_grouped_gemm_nt_bf16_128x256x64, true, &LOADS[0], {0, 264, 72});
  checkEpilogueOf(check, "grouped nn", hopper_grouped_gemm_nn_bf16_128x256x64, false, &LOADS[0], {0, 264, 72});
}

SPARROW_CHECK(hopper_gemm, ragged_depth_sums_over_each_groups_rows_and_writes_zeros_for_none) {
  for (const auto& rows : LOADS) checkRaggedDepth(check, rows);
  checkRaggedDepth(check, manyGroups());
}
#endif
