// Checks of gemm/plain_gemm.cu against double arithmetic.
#include "gemm/plain_gemm.cu"

#include "common/launch.cuh"
#include "test/gemm_check.h"

using namespace gemm_check;

namespace {

using Kernel = void (*)(GemmArguments);

// How operands lie in memory: the first element, counted from a 16-byte boundary, and what rows are longer than need be.
// Aligned; off by one with odd rows; eight-byte boundaries with rows of whole fours; aligned starts of odd rows.
struct Layout { int offset, extra; };
const Layout LAYOUTS[] = {{0, 0}, {1, 3}, {4, 4}, {0, 1}};

// Round up to whole 16-byte rows where the layout has no extra.
int strideOf(int columns, Layout layout) { return layout.extra == 0 ? padded(columns) : columns + layout.extra; }

std::string describe(const char* name, Shape s, Layout l) {
  return std::string(name) + " (" + std::to_string(s.m) + ", " + std::to_string(s.n) + ", " + std::to_string(s.k) + ") from " +
         std::to_string(l.offset) + " + " + std::to_string(l.extra);
}

// A matrix in device memory among NaN: before, behind and between its rows.
template <class T>
struct Operand {
  static constexpr int MARGIN = 64;
  int rows, columns, stride, start;
  std::vector<T> values;
  device::Buffer<T> buffer;

  Operand(test::Check& check, int rows, int columns, Layout layout, int shownRows = -1)
      : rows(rows), columns(columns), stride(strideOf(columns, layout)), start(MARGIN + layout.offset),
        values(fill(check, shownRows < 0 ? rows : shownRows)), buffer(values) {}

  std::vector<T> fill(test::Check& check, int shown) {
    std::vector<T> all(size_t(rows) * stride + 2 * MARGIN + 8, fromFloat<T>(NAN));
    for (int r = 0; r < shown; r++) {
      auto row = check.normal<T>(columns);
      std::copy(row.begin(), row.end(), all.begin() + start + size_t(r) * stride);
    }
    return all;
  }
  double at(int r, int c) const { return toFloat(values[start + size_t(r) * stride + c]); }
  const bf16* address() const { return reinterpret_cast<const bf16*>(buffer.data() + start); }
};

// A result in device memory, poisoned or given, of groups matrices below each other.
template <class T>
struct Result {
  int rows, columns, stride, start;
  device::Buffer<T> buffer;

  Result(int rows, int columns, Layout layout)
      : rows(rows), columns(columns), stride(strideOf(columns, layout)), start(layout.offset),
        buffer(size_t(rows) * stride + layout.offset) {}
  Result(test::Check& check, int rows, int columns, Layout layout) : Result(rows, columns, layout) {
    auto random = check.normal<T>(size_t(rows) * columns);
    std::vector<T> all(buffer.size(), fromFloat<T>(NAN));
    for (int r = 0; r < rows; r++)
      std::copy_n(random.begin() + size_t(r) * columns, columns, all.begin() + start + size_t(r) * stride);
    device::copy(buffer.data(), all.data(), all.size() * sizeof(T));
  }
  T* address() const { return buffer.data() + start; }

  std::vector<T> read(test::Check& check, const std::string& what) const {
    std::vector<T> all = buffer.toHost();
    return dense(check, what, std::vector<T>(all.begin() + start, all.end()), rows, columns, stride);
  }
};

template <class T> std::vector<double> widened(const std::vector<T>& values) {
  std::vector<double> wide;
  for (T v : values) wide.push_back(toFloat(v));
  return wide;
}

template <class TA, class TB, class TC>
GemmArguments arguments(const Operand<TA>& a, const Operand<TB>& b, const Result<TC>& c, Shape s) {
  GemmArguments g = {};
  g.a = a.address();
  g.b = b.address();
  g.c = c.address();
  g.strideA = a.stride;
  g.strideB = b.stride;
  g.strideC = c.stride;
  g.m = s.m, g.n = s.n, g.k = s.k, g.groups = 1;
  return g;
}

void launch(Kernel kernel, int blocks, const GemmArguments& g) { device::launch(kernel, blocks, Tall::THREADS, 0, g); }

// No depth at all, one step, off every chunk, a stage and one more; around both tiles' edges, several tiles either way.
const Shape PLAIN_SHAPES[] = {{1, 1, 1},     {3, 7, 5},      {5, 9, 0},      {63, 64, 15},  {64, 65, 16}, {65, 63, 17},
                              {127, 30, 33}, {128, 128, 32}, {129, 127, 21}, {40, 260, 70}, {1, 8, 100},  {258, 3, 12}};

template <class TA, class TB, class TC>
void checkDense(test::Check& check, const char* name, Kernel kernel, bool transposedA, bool transposedB) {
  for (const Shape& s : PLAIN_SHAPES)
    for (const Layout& l : LAYOUTS) {
      Operand<TA> a(check, transposedA ? s.k : s.m, transposedA ? s.m : s.k, l);
      Operand<TB> b(check, transposedB ? s.n : s.k, transposedB ? s.k : s.n, l);
      Result<TC> c(s.m, s.n, l);
      launch(kernel, check.integer(1, 5), arguments(a, b, c, s));
      std::string what = describe(name, s, l);
      check.near(what, c.read(check, what), product(a, b, transposedA, transposedB, s), absoluteTolerance(s.k),
                 relativeTolerance<TC>());
    }
}

SPARROW_CHECK(plain_gemm, nt_bf16) { checkDense<bf16, bf16, bf16>(check, "nt", plain_gemm_nt_bf16_bf16_bf16, false, true); }
SPARROW_CHECK(plain_gemm, nt_with_fp32_weight) {
  checkDense<bf16, float, float>(check, "nt", plain_gemm_nt_bf16_f32_f32, false, true);
}
SPARROW_CHECK(plain_gemm, nn_bf16) { checkDense<bf16, bf16, bf16>(check, "nn", plain_gemm_nn_bf16_bf16_bf16, false, false); }
SPARROW_CHECK(plain_gemm, nn_of_fp32) { checkDense<float, float, bf16>(check, "nn", plain_gemm_nn_f32_f32_bf16, false, false); }
SPARROW_CHECK(plain_gemm, tn_bf16) { checkDense<bf16, bf16, float>(check, "tn", plain_gemm_tn_bf16_bf16_f32, true, false); }
SPARROW_CHECK(plain_gemm, tn_with_fp32_gradient) {
  checkDense<float, bf16, float>(check, "tn", plain_gemm_tn_f32_bf16_f32, true, false);
}

// As gemm_check::checkEpilogue, in any layout and adding to C.
void checkEpilogueOf(test::Check& check, Kernel kernel, bool forward, const std::vector<int>* rows, Shape s, Layout l,
                     const Nonlinearity& f) {
  std::vector<int> offsets = offsetsOf(rows != nullptr ? *rows : std::vector<int>{s.m});
  int groups = int(offsets.size()) - 1, used = offsets.back();
  if (rows != nullptr) s.m = used + 5;
  Operand<bf16> a(check, s.m, s.k, l), b(check, groups * (forward ? s.n : s.k), forward ? s.k : s.n, l), bias(check, 1, s.n, l);
  Result<bf16> c(check, s.m, s.n, l), residual(check, s.m, s.n, l), preactivation(check, s.m, s.n, l);
  auto y = widened(c.read(check, "C")), added = widened(residual.read(check, "residual"));
  auto h = widened(preactivation.read(check, "h"));
  device::Buffer<int> Offsets(offsets);
  GemmArguments g = arguments(a, b, c, s);
  g.offsets = rows != nullptr ? Offsets.data() : nullptr;
  g.groups = groups;
  g.groupStrideB = rows != nullptr ? (long long)b.stride * (forward ? s.n : s.k) : 0;
  g.bias = bias.address();
  g.residual = residual.address();
  g.preactivation = preactivation.address();
  g.activation = f.code;
  g.accumulate = 1;
  launch(kernel, 2, g);
  auto sums = raggedRowsProduct(a, b, forward, offsets, s.m, s.n, s.k);
  for (size_t i = 0; i < size_t(used) * s.n; i++) y[i] += epilogue(f, forward, sums[i], bias.at(0, int(i % s.n)), added[i], h[i]);
  std::string what = describe(f.name, s, l) + (forward ? ", nt" : ", nn");
  // The terms may cancel: fp32's error in each stays.
  check.near(what, c.read(check, what), y, 1e-4, 0.0040);
  check.near(what + ", h", preactivation.read(check, what), h, 1e-4, 0.0040);
}

SPARROW_CHECK(plain_gemm, epilogue_of_nt_applies_f_after_the_bias_and_adds_a_residual_and_what_is_there) {
  for (const Nonlinearity& f : NONLINEARITIES)
    for (const Layout& l : LAYOUTS) {
      for (Shape s : {Shape{130, 72, 19}, Shape{5, 13, 16}})
        checkEpilogueOf(check, plain_gemm_nt_bf16_bf16_bf16, true, nullptr, s, l, f);
      checkEpilogueOf(check, plain_grouped_gemm_nt_bf16_bf16_bf16, true, &LOADS[0], {0, 13, 9}, l, f);
    }
}

SPARROW_CHECK(plain_gemm, epilogue_of_nn_multiplies_by_the_slope_and_adds_a_residual_and_what_is_there) {
  for (const Nonlinearity& f : NONLINEARITIES)
    for (const Layout& l : LAYOUTS) {
      for (Shape s : {Shape{130, 72, 19}, Shape{5, 13, 16}})
        checkEpilogueOf(check, plain_gemm_nn_bf16_bf16_bf16, false, nullptr, s, l, f);
      checkEpilogueOf(check, plain_grouped_gemm_nn_bf16_bf16_bf16, false, &LOADS[0], {0, 13, 9}, l, f);
    }
}

// A residual is of C's type.
SPARROW_CHECK(plain_gemm, an_fp32_result_takes_an_fp32_residual) {
  for (const Layout& l : LAYOUTS) {
    Shape s{9, 13, 8};
    Operand<bf16> a(check, s.m, s.k, l);
    Operand<float> b(check, s.n, s.k, l);
    Result<float> c(s.m, s.n, l), residual(check, s.m, s.n, l);
    GemmArguments g = arguments(a, b, c, s);
    g.residual = residual.address();
    launch(plain_gemm_nt_bf16_f32_f32, 1, g);
    auto y = product(a, b, false, true, s);
    auto added = residual.read(check, "residual");
    for (size_t i = 0; i < y.size(); i++) y[i] += added[i];
    check.near("output", c.read(check, "output"), y, absoluteTolerance(s.k), 2e-6);
  }
}

// Alignment of C, the residual and the preactivation counts each by itself.
SPARROW_CHECK(plain_gemm, each_of_the_epilogues_tensors_may_be_unaligned) {
  Shape s{9, 16, 8};
  for (int odd = 0; odd < 4; odd++) {
    auto layout = [&](int which) { return Layout{which == odd ? 1 : 0, 0}; };
    Operand<bf16> a(check, s.m, s.k, {0, 0}), b(check, s.n, s.k, {0, 0});
    Result<bf16> c(s.m, s.n, layout(0)), residual(check, s.m, s.n, layout(1)), preactivation(s.m, s.n, layout(2));
    auto added = residual.read(check, "residual");
    GemmArguments g = arguments(a, b, c, s);
    g.residual = residual.address();
    g.preactivation = preactivation.address();
    launch(plain_gemm_nt_bf16_bf16_bf16, 1, g);
    std::vector<double> h = product(a, b, false, true, s), y;
    for (size_t i = 0; i < h.size(); i++) y.push_back(h[i] + toFloat(added[i]));
    check.near("preactivation", preactivation.read(check, "preactivation"), h, 1e-5, 0.0040);
    check.near("output", c.read(check, "output"), y, 1e-5, 0.0040);
  }
}

template <class TA, class TB, class TC>
void checkAccumulates(test::Check& check, Kernel kernel, bool transposedA, bool transposedB, Shape s) {
  for (const Layout& l : LAYOUTS) {
    Operand<TA> a(check, transposedA ? s.k : s.m, transposedA ? s.m : s.k, l);
    Operand<TB> b(check, transposedB ? s.n : s.k, transposedB ? s.k : s.n, l);
    Result<TC> c(check, s.m, s.n, l);
    auto before = c.read(check, "before");
    GemmArguments g = arguments(a, b, c, s);
    g.accumulate = 1;
    launch(kernel, 3, g);
    auto expected = product(a, b, transposedA, transposedB, s);
    for (size_t i = 0; i < expected.size(); i++) expected[i] += toFloat(before[i]);
    check.near("sum", c.read(check, "sum"), expected, absoluteTolerance(s.k), relativeTolerance<TC>());
  }
}

SPARROW_CHECK(plain_gemm, accumulating_adds_to_what_is_there) {
  checkAccumulates<bf16, bf16, float>(check, plain_gemm_tn_bf16_bf16_f32, true, false, {70, 66, 35});
  checkAccumulates<float, float, bf16>(check, plain_gemm_nn_f32_f32_bf16, false, false, {131, 40, 9});
}

void checkRaggedRows(test::Check& check, Kernel kernel, bool transposedB, const std::vector<int>& rows, int n, int k, Layout l) {
  std::vector<int> offsets = offsetsOf(rows);
  int groups = int(rows.size()), used = offsets.back();
  Shape s{used + 5, n, k};  // room for more rows than there are; those are NaN
  Operand<bf16> a(check, s.m, k, l, used), b(check, groups * (transposedB ? n : k), transposedB ? k : n, l);
  Result<bf16> c(s.m, n, l);
  device::Buffer<int> Offsets(offsets);
  GemmArguments g = arguments(a, b, c, s);
  g.offsets = Offsets;
  g.groups = groups;
  g.groupStrideB = (long long)b.stride * (transposedB ? n : k);
  launch(kernel, check.integer(1, 4), g);
  auto expected = raggedRowsProduct(a, b, transposedB, offsets, s.m, n, k);
  std::string what = describe(transposedB ? "grouped nt" : "grouped nn", s, l) + ", " + std::to_string(groups) + " groups";
  check.near(what, c.read(check, what), expected, absoluteTolerance(k), 0.0040);
}

SPARROW_CHECK(plain_gemm, ragged_rows_meet_their_own_weight) {
  for (const Layout& l : LAYOUTS) {
    for (const auto& rows : LOADS) {
      checkRaggedRows(check, plain_grouped_gemm_nt_bf16_bf16_bf16, true, rows, 71, 37, l);
      checkRaggedRows(check, plain_grouped_gemm_nn_bf16_bf16_bf16, false, rows, 71, 37, l);
    }
    checkRaggedRows(check, plain_grouped_gemm_nt_bf16_bf16_bf16, true, {129, 0, 1, 127, 128}, 10, 18, l);
    checkRaggedRows(check, plain_grouped_gemm_nn_bf16_bf16_bf16, false, manyGroups(), 10, 18, l);
  }
}

// Both ragged forms of tn: rows null, the depth is cut into groups parts.
template <class TA>
void checkRaggedDepth(test::Check& check, Kernel kernel, const std::vector<int>* rows, int groups, int depth, bool accumulate,
                      Shape s, Layout l) {
  std::vector<int> offsets = rows != nullptr ? offsetsOf(*rows) : std::vector<int>{0};
  if (rows != nullptr) groups = int(rows->size()), depth = offsets.back();
  // What follows the last group's rows must not be seen, not even multiplied by 0.
  Operand<TA> a(check, depth + 5, s.m, l, depth);
  Operand<bf16> b(check, depth + 5, s.n, l, depth);
  Result<float> c(check, groups * s.m, s.n, l);
  auto before = c.read(check, "before");
  device::Buffer<int> Offsets(offsets);
  s.k = depth;
  GemmArguments g = arguments(a, b, c, s);
  g.offsets = rows != nullptr ? Offsets.data() : nullptr;
  g.groups = groups;
  g.groupStrideC = (long long)s.m * c.stride;
  g.accumulate = accumulate;
  launch(kernel, check.integer(1, 6), g);
  std::string what = describe(rows != nullptr ? "ragged depth" : "parts", s, l) + ", " + std::to_string(groups) + " groups";
  auto actual = c.read(check, what);
  std::vector<double> expected(before.size(), 0.0);
  if (accumulate) expected.assign(before.begin(), before.end());
  if (rows == nullptr) {
    // Parts of whole 64 steps. What counts is their sum; that each is what it says keeps them in order.
    int part = ((depth + groups - 1) / groups + 63) / 64 * 64;
    for (int e = 0; e < groups; e++) offsets.push_back(std::min(depth, (e + 1) * part));
  }
  addRaggedDepthProduct(a, b, offsets, s.m, s.n, expected);
  check.near(what, actual, expected, absoluteTolerance(depth), 2e-6);
}

SPARROW_CHECK(plain_gemm, ragged_depth_sums_over_each_groups_rows_and_writes_zeros_for_none) {
  auto many = manyGroups();
  for (const Layout& l : LAYOUTS)
    for (bool accumulate : {false, true}) {
      for (const auto& rows : LOADS)
        checkRaggedDepth<bf16>(check, plain_grouped_gemm_tn_bf16_bf16_f32, &rows, 0, 0, accumulate, {67, 129, 0}, l);
      checkRaggedDepth<float>(check, plain_grouped_gemm_tn_f32_bf16_f32, &many, 0, 0, accumulate, {9, 20, 0}, l);
    }
}

// x with the rows that the index gives.
struct Gathered {
  const Operand<bf16>& x;
  const std::vector<int>& index;
  double at(int r, int c) const { return x.at(index[r], c); }
};

void checkGatheredRows(test::Check& check, const std::vector<int>& rows, Layout l) {
  std::vector<int> offsets = offsetsOf(rows);
  int groups = int(rows.size()), used = offsets.back(), tokens = used / 2 + 3, n = 71, k = 37;
  std::vector<int> index = randomRows(check, used, tokens);
  Operand<bf16> x(check, tokens, k, l), w(check, groups * n, k, l);
  Result<bf16> c(used + 5, n, l);
  device::Buffer<int> Offsets(offsets), Index(index);
  GemmArguments g = arguments(x, w, c, {used + 5, n, k});
  g.offsets = Offsets;
  g.groups = groups;
  g.groupStrideB = (long long)w.stride * n;
  g.rows = Index;
  launch(plain_grouped_gemm_nt_bf16_bf16_bf16, check.integer(1, 4), g);
  auto expected = raggedRowsProduct(Gathered{x, index}, w, true, offsets, used + 5, n, k);
  check.near("nt, " + std::to_string(groups) + " groups", c.read(check, "nt"), expected, absoluteTolerance(k), 0.0040);
}

void checkGatheredDepth(test::Check& check, const std::vector<int>& rows, Layout l) {
  std::vector<int> offsets = offsetsOf(rows);
  int groups = int(rows.size()), used = offsets.back(), tokens = used / 2 + 3, m = 9, n = 37;
  std::vector<int> index = randomRows(check, used, tokens);
  Operand<bf16> dy(check, used + 5, m, l, used), x(check, tokens, n, l);
  Result<float> c(check, groups * m, n, l);
  device::Buffer<int> Offsets(offsets), Index(index);
  GemmArguments g = arguments(dy, x, c, {m, n, used + 5});
  g.offsets = Offsets;
  g.groups = groups;
  g.groupStrideC = (long long)m * c.stride;
  g.rows = Index;
  launch(plain_grouped_gemm_tn_bf16_bf16_f32, check.integer(1, 6), g);
  std::vector<double> expected(size_t(groups) * m * n, 0.0);
  addRaggedDepthProduct(dy, Gathered{x, index}, offsets, m, n, expected);
  check.near("tn, " + std::to_string(groups) + " groups", c.read(check, "tn"), expected, absoluteTolerance(used), 2e-6);
}

SPARROW_CHECK(plain_gemm, gathered_rows_are_read_where_they_lie) {
  for (const Layout& l : LAYOUTS)
    for (const auto& rows : {LOADS[0], LOADS[1], LOADS[2], manyGroups()}) {
      checkGatheredRows(check, rows, l);
      checkGatheredDepth(check, rows, l);
    }
}

SPARROW_CHECK(plain_gemm, parts_of_the_depth_add_up) {
  for (const Layout& l : LAYOUTS) {
    for (int depth : {1, 63, 64, 65, 500}) {
      checkRaggedDepth<float>(check, plain_grouped_gemm_tn_f32_bf16_f32, nullptr, 4, depth, false, {8, 33, 0}, l);
      checkRaggedDepth<bf16>(check, plain_grouped_gemm_tn_bf16_bf16_f32, nullptr, 3, depth, false, {65, 17, 0}, l);
    }
    checkRaggedDepth<float>(check, plain_grouped_gemm_tn_f32_bf16_f32, nullptr, 1, 130, true, {8, 136, 0}, l);
  }
}

SPARROW_CHECK(plain_gemm, the_number_of_blocks_changes_no_bit) {
  Shape s{150, 200, 100};
  Operand<bf16> a(check, s.m, s.k, {0, 0});
  Operand<float> b(check, s.n, s.k, {0, 0});
  std::vector<float> first;
  for (int blocks : {1, 5, 12}) {
    Result<float> c(s.m, s.n, {0, 0});
    launch(plain_gemm_nt_bf16_f32_f32, blocks, arguments(a, b, c, s));
    auto actual = c.read(check, "C");
    if (first.empty()) first = actual;
    else check.identical("blocks " + std::to_string(blocks), actual, first);
  }
}

}  // namespace
