// Checks of nn/sums.cu against double arithmetic.
#include "nn/sums.cu"

#include "common/launch.cuh"
#include "test/check.h"

namespace {

std::vector<double> partialSums(const std::vector<float>& x, int offset, int blocks, int threads) {
  device::Buffer<float> X(x);
  device::Buffer<double> partials(blocks);
  device::launch(partial_sums_f32, blocks, threads, 0, X.data() + offset, partials, x.size() - offset);
  return partials.toHost();
}

SPARROW_CHECK(sums, many_losses_are_summed_in_double) {
  struct Case { int n, offset, blocks, threads; };
  for (const Case& c : {Case{1, 0, 1, 32}, Case{31, 0, 2, 32}, Case{127, 1, 3, 64}, Case{128, 0, 1, 32}, Case{129, 0, 1, 32},
                        Case{5000, 3, 4, 96}, Case{100003, 0, 7, 256}}) {
    auto x = check.normal<float>(c.n + c.offset, 1.0f, 1e4f);
    double expected = 0, before = check.integer(-1000, 1000) * 1e3;
    for (int i = 0; i < c.n; i++) expected += x[c.offset + i];
    device::Buffer<double> partials(partialSums(x, c.offset, c.blocks, c.threads)), sum(1),
        total(std::vector<double>{before});
    device::launch(sum_partials_f64, 1, c.threads, 0, partials, c.blocks, sum);
    device::launch(accumulate_sum_f64, 1, c.threads, 0, partials, c.blocks, total);
    std::string what = " of " + std::to_string(c.n);
    check.near("sum" + what, sum.toHost(), std::vector<double>{expected}, 0, 1e-13);
    check.near("total" + what, total.toHost(), std::vector<double>{before + expected}, 0, 1e-13);
    check.identical("partials again" + what, partialSums(x, c.offset, c.blocks, c.threads), partials.toHost());
  }
}

SPARROW_CHECK(sums, partials_of_any_number_are_added) {
  for (int count : {1, 31, 32, 33, 95, 96, 97, 1000}) {
    auto random = check.normal<float>(count);
    std::vector<double> partials(random.begin(), random.end());
    double expected = 0;
    for (double v : partials) expected += v;
    device::Buffer<double> P(partials), sum(1);
    device::launch(sum_partials_f64, 1, 96, 0, P, count, sum);
    check.near(std::to_string(count), sum.toHost(), std::vector<double>{expected}, 1e-13, 0);
  }
}

SPARROW_CHECK(sums, a_loss_that_is_nan_shows) {
  auto x = check.normal<float>(300);
  x[201] = NAN;
  device::Buffer<double> partials(partialSums(x, 0, 2, 64)), total(std::vector<double>{1.0});
  device::launch(accumulate_sum_f64, 1, 64, 0, partials, 2, total);
  check.that(std::isnan(total.toHost()[0]), "a total with NaN must be NaN");
}

// One element, odd, around a warp's rows and a block's columns, off 16-byte boundaries; fewer rows than blocks, and many.
struct Shape { int rows, columns, offset, blocks; };
const Shape SHAPES[] = {{1, 1, 0, 1},    {3, 7, 0, 5},     {7, 255, 0, 2},   {8, 256, 0, 1},   {9, 257, 0, 2},
                        {31, 264, 0, 3}, {33, 256, 1, 2},  {40, 8, 0, 7},    {300, 520, 4, 9}, {2, 1024, 3, 1},
                        {0, 40, 0, 2},   {517, 768, 0, 4}, {64, 776, 8, 8}};

std::string name(const Shape& s) {
  return " (" + std::to_string(s.rows) + ", " + std::to_string(s.columns) + ") from " + std::to_string(s.offset) + ", " +
         std::to_string(s.blocks) + " blocks";
}

template <typename T>
void checkColumns(test::Check& check, void (*partialsOf)(const T*, float*, long long, int)) {
  for (const Shape& s : SHAPES) {
    auto dy = check.normal<T>(size_t(s.rows) * s.columns + s.offset);
    auto old = check.normal<float>(s.columns);
    std::vector<double> expected(old.begin(), old.end());
    for (int r = 0; r < s.rows; r++)
      for (int c = 0; c < s.columns; c++) expected[c] += toFloat(dy[s.offset + size_t(r) * s.columns + c]);
    device::Buffer<T> DY(dy);
    auto run = [&] {
      device::Buffer<float> partials(size_t(s.blocks) * s.columns), dbias(old);
      dim3 grid((s.columns + sums::COLUMNS - 1) / sums::COLUMNS, s.blocks);
      device::launch(partialsOf, grid, 256, 0, DY.data() + s.offset, partials, s.rows, s.columns);
      partials.toHost();  // for its guards
      device::launch(add_partials_f32, (s.columns + 31) / 32, 256, 0, partials, dbias, s.blocks, s.columns, s.columns);
      return dbias.toHost();
    };
    auto actual = run();
    // Some hundred terms of size 1, which may cancel, in fp32.
    check.near("dbias" + name(s), actual, expected, 1e-5, 1e-6);
    check.identical("dbias again" + name(s), run(), actual);
  }
}

SPARROW_CHECK(sums, bias_gradient_f32) { checkColumns<float>(check, column_partials_f32); }
SPARROW_CHECK(sums, bias_gradient_bf16) { checkColumns<bf16>(check, column_partials_bf16); }

// LayerNorm's partials hold two vectors a block: the stride is not n, and the second starts within the first row.
SPARROW_CHECK(sums, partials_with_a_stride_are_added) {
  for (int n : {1, 31, 32, 33, 1000})
    for (int blocks : {1, 7, 8, 9, 64, 131}) {
      int stride = 2 * n + 3, first = n + 1;
      auto partials = check.normal<float>(size_t(blocks) * stride), old = check.normal<float>(n);
      std::vector<double> expected(old.begin(), old.end());
      for (int b = 0; b < blocks; b++)
        for (int i = 0; i < n; i++) expected[i] += partials[first + size_t(b) * stride + i];
      old.resize(n + 32, -0.0f);  // not even a 0 may be added behind the last
      device::Buffer<float> P(partials), to(old);
      device::launch(add_partials_f32, (n + 31) / 32, 256, 0, P.data() + first, to, blocks, stride, n);
      auto all = to.toHost();
      std::string what = std::to_string(n) + " of " + std::to_string(blocks);
      check.near(what, std::vector<float>(all.begin(), all.begin() + n), expected, 1e-5, 1e-6);
      check.identical(what + ", behind", std::vector<float>(all.begin() + n, all.end()), std::vector<float>(32, -0.0f));
    }
}

}  // namespace
