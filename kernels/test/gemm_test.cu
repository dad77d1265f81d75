// Checks of gemm/mma_gemm.cu against double arithmetic.
#include "gemm/mma_gemm.cu"

#include "common/launch.cuh"
#include "test/gemm_check.h"

using namespace gemm_check;

namespace {

using Kernel = void (*)(GemmArguments);

// A kernel, its launch, and how it reads its operands.
struct Entry {
  const char* name;
  Kernel kernel;
  int threads;
  size_t sharedBytes;
};

template <class Config>
Entry entry(const char* name, Kernel kernel) {
  return {name, kernel, Config::THREADS, Config::SHARED_BYTES};
}

const Entry NT[] = {entry<Small>("nt 64x64x32", gemm_nt_bf16_64x64x32), entry<Large>("nt 128x128x32", gemm_nt_bf16_128x128x32)};
const Entry NN[] = {entry<Small>("nn 64x64x32", gemm_nn_bf16_64x64x32), entry<Large>("nn 128x128x32", gemm_nn_bf16_128x128x32)};
const Entry TN[] = {entry<Small>("tn 64x64x32", gemm_tn_f32_64x64x32), entry<Large>("tn 128x128x32", gemm_tn_f32_128x128x32)};
const Entry GROUPED_NT[] = {entry<Small>("grouped nt 64x64x32", grouped_gemm_nt_bf16_64x64x32),
                            entry<Large>("grouped nt 128x128x32", grouped_gemm_nt_bf16_128x128x32)};
const Entry GROUPED_NN[] = {entry<Small>("grouped nn 64x64x32", grouped_gemm_nn_bf16_64x64x32),
                            entry<Large>("grouped nn 128x128x32", grouped_gemm_nn_bf16_128x128x32)};
const Entry GROUPED_TN[] = {entry<Small>("grouped tn 64x64x32", grouped_gemm_tn_f32_64x64x32),
                            entry<Large>("grouped tn 128x128x32", grouped_gemm_tn_f32_128x128x32)};

GemmArguments arguments(const bf16* a, const bf16* b, void* c, const Stored& storedA, const Stored& storedB, Shape s) {
  GemmArguments g = {};
  g.a = a;
  g.b = b;
  g.c = c;
  g.strideA = storedA.stride;
  g.strideB = storedB.stride;
  g.strideC = padded(s.n);
  g.m = s.m;
  g.n = s.n;
  g.k = s.k;
  g.groups = 1;
  return g;
}

std::string describe(const Entry& e, Shape s) {
  return std::string(e.name) + " (" + std::to_string(s.m) + ", " + std::to_string(s.n) + ", " + std::to_string(s.k) + ")";
}

template <class Out>
void checkDense(test::Check& check, const Entry& e, bool transposedA, bool transposedB, Shape s, int blocks) {
  // Depth that is stored across rows may be any; here it ends within a stage and within a chunk.
  if (transposedA && !transposedB) s.k += 3;
  Stored a(check, transposedA ? s.k : s.m, transposedA ? s.m : s.k, 8), b(check, transposedB ? s.n : s.k, transposedB ? s.k : s.n, 0);
  int stride = padded(s.n);
  device::Buffer<bf16> A(a.values), B(b.values);
  device::Buffer<Out> C(size_t(s.m) * stride);
  device::launch(e.kernel, blocks, e.threads, e.sharedBytes, arguments(A, B, C.data(), a, b, s));
  auto actual = dense(check, describe(e, s), C.toHost(), s.m, s.n, stride);
  check.near(describe(e, s), actual, product(a, b, transposedA, transposedB, s), absoluteTolerance(s.k), relativeTolerance<Out>());
}

}  // namespace

SPARROW_CHECK(gemm, nt_equals_the_plain_product) {
  for (const Entry& e : NT)
    for (const Shape& s : SHAPES) checkDense<bf16>(check, e, false, true, s, 3);
}

SPARROW_CHECK(gemm, nn_equals_the_plain_product) {
  for (const Entry& e : NN)
    for (const Shape& s : SHAPES) checkDense<bf16>(check, e, false, false, s, 2);
}

SPARROW_CHECK(gemm, tn_equals_the_plain_product_for_any_depth) {
  for (const Entry& e : TN)
    for (const Shape& s : SHAPES) checkDense<float>(check, e, true, false, s, 1);
}

namespace {

void checkEpilogueOf(test::Check& check, const Entry& e, bool forward, const std::vector<int>* rows, Shape s) {
  checkEpilogue(check, e.name, forward, rows, s, [&](GemmArguments g, const Stored& a, const Stored& b, bf16* A, bf16* B) {
    g.a = A;
    g.b = B;
    g.strideA = a.stride;
    g.strideB = b.stride;
    device::launch(e.kernel, 3, e.threads, e.sharedBytes, g);
  });
}

}  // namespace

SPARROW_CHECK(gemm, epilogue_of_nt_applies_f_after_the_bias_and_adds_a_residual) {
  for (const Entry& e : NT)
    for (Shape s : {Shape{70, 72, 40}, Shape{5, 13, 16}}) checkEpilogueOf(check, e, true, nullptr, s);
  for (const Entry& e : GROUPED_NT) checkEpilogueOf(check, e, true, &LOADS[0], {0, 72, 40});
}

SPARROW_CHECK(gemm, epilogue_of_nn_multiplies_by_the_slope_and_adds_a_residual) {
  for (const Entry& e : NN)
    for (Shape s : {Shape{70, 72, 40}, Shape{5, 13, 16}}) checkEpilogueOf(check, e, false, nullptr, s);
  for (const Entry& e : GROUPED_NN) checkEpilogueOf(check, e, false, &LOADS[0], {0, 72, 40});
}

SPARROW_CHECK(gemm, accumulating_adds_to_what_is_there) {
  Shape s{70, 66, 35};
  Stored a(check, s.k, s.m, 0), b(check, s.k, s.n, 0);
  int stride = padded(s.n);
  auto before = check.normal<float>(size_t(s.m) * stride);
  device::Buffer<bf16> A(a.values), B(b.values);
  device::Buffer<float> C(before);
  GemmArguments g = arguments(A, B, C.data(), a, b, s);
  g.accumulate = 1;
  device::launch(TN[0].kernel, 4, TN[0].threads, TN[0].sharedBytes, g);
  auto expected = product(a, b, true, false, s);
  std::vector<float> stored = C.toHost(), actual(expected.size());
  for (int i = 0; i < s.m; i++)
    for (int j = 0; j < s.n; j++) {
      actual[size_t(i) * s.n + j] = stored[size_t(i) * stride + j];
      expected[size_t(i) * s.n + j] += before[size_t(i) * stride + j];
    }
  check.near("sum", actual, expected, absoluteTolerance(s.k), 2e-6);
}

namespace {

void checkRaggedRows(test::Check& check, const Entry& e, bool transposedB, const std::vector<int>& rows, int blocks) {
  std::vector<int> offsets = offsetsOf(rows);
  int groups = int(rows.size()), used = offsets.back(), n = 72, k = 40;
  Shape s{used + 5, n, k};  // room for more rows than there are
  Stored a(check, s.m, k, 0), b(check, groups * (transposedB ? n : k), transposedB ? k : n, 0);
  device::Buffer<bf16> A(a.values), B(b.values), C(size_t(s.m) * n);
  device::Buffer<int> Offsets(offsets);
  GemmArguments g = arguments(A, B, C.data(), a, b, s);
  g.offsets = Offsets;
  g.groups = groups;
  g.groupStrideB = (long long)b.stride * (transposedB ? n : k);
  device::launch(e.kernel, blocks, e.threads, e.sharedBytes, g);
  auto expected = raggedRowsProduct(a, b, transposedB, offsets, s.m, n, k);
  check.near(std::string(e.name) + ", " + std::to_string(groups) + " groups", C.toHost(), expected, absoluteTolerance(k), 0.0040);
}

void checkRaggedDepth(test::Check& check, const Entry& e, const std::vector<int>& rows, bool accumulate, int blocks) {
  std::vector<int> offsets = offsetsOf(rows);
  int groups = int(rows.size()), used = offsets.back(), m = 24, n = 72;
  Shape s{m, n, 0};
  Stored a(check, used + 5, m, 0), b(check, used + 5, n, 0);
  // What follows the last group's rows must not be seen, not even multiplied by 0.
  a.poisonFrom(used);
  b.poisonFrom(used);
  auto before = check.normal<float>(size_t(groups) * m * n);
  device::Buffer<bf16> A(a.values), B(b.values);
  device::Buffer<float> C(before.size());
  if (accumulate) device::copy(C.data(), before.data(), before.size() * sizeof(float));
  device::Buffer<int> Offsets(offsets);
  GemmArguments g = arguments(A, B, C.data(), a, b, s);
  g.offsets = Offsets;
  g.groups = groups;
  g.groupStrideC = (long long)m * n;
  g.accumulate = accumulate;
  device::launch(e.kernel, blocks, e.threads, e.sharedBytes, g);
  std::vector<double> expected(before.size(), 0.0);
  if (accumulate) expected.assign(before.begin(), before.end());
  addRaggedDepthProduct(a, b, offsets, m, n, expected);
  check.near(std::string(e.name) + ", " + std::to_string(groups) + " groups", C.toHost(), expected, absoluteTolerance(used), 2e-6);
}

}  // namespace

SPARROW_CHECK(gemm, ragged_rows_meet_their_own_weight) {
  for (bool transposedB : {true, false})
    for (const Entry& e : transposedB ? GROUPED_NT : GROUPED_NN)
      for (const auto& rows : LOADS) checkRaggedRows(check, e, transposedB, rows, 3);
  checkRaggedRows(check, GROUPED_NT[0], true, manyGroups(), 2);
}

SPARROW_CHECK(gemm, ragged_depth_sums_over_each_groups_rows_and_writes_zeros_for_none) {
  for (const Entry& e : GROUPED_TN)
    for (const auto& rows : LOADS)
      for (bool accumulate : {false, true}) checkRaggedDepth(check, e, rows, accumulate, 3);
  checkRaggedDepth(check, GROUPED_TN[0], manyGroups(), false, 4);
}

namespace {

const Entry GATHERED_NT[] = {entry<Small>("gathered nt 64x64x32", gathered_gemm_nt_bf16_64x64x32),
                             entry<Large>("gathered nt 128x128x32", gathered_gemm_nt_bf16_128x128x32)};
const Entry GATHERED_TN[] = {entry<Small>("gathered tn 64x64x32", gathered_gemm_tn_f32_64x64x32),
                             entry<Large>("gathered tn 128x128x32", gathered_gemm_tn_f32_128x128x32)};

// x with the rows that the index gives, as a copy.
Stored gathered(test::Check& check, const Stored& x, const std::vector<int>& index, int used) {
  Stored copy(check, used + 5, x.columns, 0);
  copy.poisonFrom(0);
  for (int r = 0; r < used; r++)
    for (int c = 0; c < x.columns; c++)
      copy.values[size_t(r) * copy.stride + c] = x.values[size_t(index[r]) * x.stride + c];
  return copy;
}

// nt: y_p = x[rows_p]·w[e]ᵀ.  tn: dw[e] = Σ dy_pᵀ·x[rows_p].  Bit by bit what the grouped kernel makes of the copy.
void checkGathered(test::Check& check, const Entry& e, const Entry& grouped, bool nt, const std::vector<int>& rows) {
  std::vector<int> offsets = offsetsOf(rows);
  int groups = int(rows.size()), used = offsets.back(), tokens = used / 2 + 3, in = 72, out = 40;
  Stored x(check, tokens, in, 8), other(check, nt ? groups * out : used + 5, nt ? in : out, 0);
  std::vector<int> index = randomRows(check, used, tokens);
  Stored copy = gathered(check, x, index, used);
  device::Buffer<bf16> X(x.values), Copy(copy.values), Other(other.values);
  device::Buffer<int> Offsets(offsets), Index(index);
  Shape s = nt ? Shape{used + 5, out, in} : Shape{out, in, used + 5};
  auto run = [&](const Entry& by, const Stored& stored, const bf16* from, const int* indexOrNull) {
    device::Buffer<unsigned char> C(nt ? size_t(s.m) * s.n * 2 : size_t(groups) * s.m * s.n * 4);
    GemmArguments g = nt ? arguments(from, Other, C.data(), stored, other, s)
                         : arguments(Other, from, C.data(), other, stored, s);
    g.offsets = Offsets;
    g.groups = groups;
    g.groupStrideB = nt ? (long long)other.stride * out : 0;
    g.groupStrideC = nt ? 0 : (long long)s.m * s.n;
    g.rows = indexOrNull;
    device::launch(by.kernel, 3, by.threads, by.sharedBytes, g);
    return C.toHost();
  };
  check.identical(std::string(e.name) + ", " + std::to_string(groups) + " groups", run(e, x, X, Index),
                  run(grouped, copy, Copy, nullptr));
}

}  // namespace

SPARROW_CHECK(gemm, gathered_rows_are_read_where_they_lie) {
  for (int tile : {0, 1})
    for (const auto& rows : {LOADS[0], LOADS[1], LOADS[2], manyGroups()}) {
      checkGathered(check, GATHERED_NT[tile], GROUPED_NT[tile], true, rows);
      checkGathered(check, GATHERED_TN[tile], GROUPED_TN[tile], false, rows);
    }
}

// Without offsets the depth is cut into groups parts, whose sum is the product; some may be empty.
SPARROW_CHECK(gemm, parts_of_the_depth_add_up) {
  for (const Entry& e : GROUPED_TN)
    for (Shape s : {Shape{24, 72, 1}, Shape{70, 24, 64}, Shape{8, 136, 700}}) {
      int parts = 4;
      Stored a(check, s.k + 5, s.m, 0), b(check, s.k + 5, s.n, 0);
      a.poisonFrom(s.k);
      b.poisonFrom(s.k);
      device::Buffer<bf16> A(a.values), B(b.values);
      device::Buffer<float> C(size_t(parts) * s.m * s.n);
      GemmArguments g = arguments(A, B, C.data(), a, b, s);
      g.groups = parts;
      g.groupStrideC = (long long)s.m * s.n;
      device::launch(e.kernel, 3, e.threads, e.sharedBytes, g);
      std::vector<float> shares = C.toHost();
      std::vector<double> sum(size_t(s.m) * s.n);
      for (size_t i = 0; i < shares.size(); i++) sum[i % sum.size()] += shares[i];
      check.near(describe(e, s), sum, product(a, b, true, false, s), absoluteTolerance(s.k), 2e-6);
    }
}

SPARROW_CHECK(gemm, the_number_of_blocks_changes_no_bit) {
  Shape s{150, 200, 100};
  Stored a(check, s.m, s.k, 0), b(check, s.n, s.k, 0);
  a.stride = padded(s.k);
  std::vector<bf16> first;
  for (int blocks : {1, 5, 12}) {
    device::Buffer<bf16> A(a.values), B(b.values), C(size_t(s.m) * s.n);
    s.k = 96;  // whole chunks
    device::launch(NT[0].kernel, blocks, NT[0].threads, NT[0].sharedBytes, arguments(A, B, C.data(), a, b, s));
    if (first.empty()) first = C.toHost();
    else check.identical("blocks " + std::to_string(blocks), C.toHost(), first);
  }
}
