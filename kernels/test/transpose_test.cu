// Checks of sparse/transpose.cu.
#include "sparse/transpose.cu"

#include "common/launch.cuh"
#include "test/check.h"

namespace {

struct Case { int rows, columns; };

SPARROW_CHECK(transpose, bf16_and_zeros_past_the_rows) {
  for (const Case& c : {Case{1, 1}, {7, 3}, {63, 64}, {64, 65}, {65, 63}, {130, 72}, {72, 200}}) {
    long long stride = (c.rows + 7) / 8 * 8;
    auto x = check.normal<bf16>(size_t(c.rows) * c.columns);
    std::vector<bf16> expected(size_t(c.columns) * stride, fromFloat<bf16>(0.0f));
    for (int n = 0; n < c.rows; n++)
      for (int k = 0; k < c.columns; k++) expected[k * stride + n] = x[size_t(n) * c.columns + k];
    device::Buffer<bf16> X(x), Xt(expected.size());
    device::launch(transpose_bf16, dim3((c.rows + 63) / 64, (c.columns + 63) / 64), transpose::THREADS, 0, X, Xt, c.rows,
                   c.columns, stride);
    check.identical("xt of " + std::to_string(c.rows) + "x" + std::to_string(c.columns), Xt.toHost(), expected);
  }
}

}  // namespace
