// What the checks of products with sparse weights share: cases, device memory and plain products in double.
#pragma once

#include "common/launch.cuh"
#include "gemm/gemm.cuh"
#include "test/check.h"
#include "test/gemm_check.h"
#include "test/sparse_weight.h"

namespace sparse_check {

using sparse_weight::Pattern;

struct Case { int batch, rows, columns, perBank, groupRows, bankColumns, offEvery; };

inline std::string name(const Case& c, const Pattern& p) { return "batch " + std::to_string(c.batch) + ", " + p.name(); }

inline Pattern draw(test::Check& check, const Case& c) {
  return sparse_weight::draw(check.random, c.rows, c.columns, c.perBank, c.groupRows, c.bankColumns, c.offEvery);
}

// y (batch, rows) = x·Wᵀ.
inline std::vector<double> forward(const Pattern& p, const std::vector<bf16>& x, const std::vector<bf16>& values, int batch) {
  std::vector<double> y(size_t(batch) * p.rows);
  for (int n = 0; n < batch; n++)
    for (int r = 0; r < p.liveRows(); r++)
      for (int i = 0; i < p.fanIn; i++)
        y[size_t(n) * p.rows + p.row(r)] +=
            double(toFloat(values[size_t(r) * p.fanIn + i])) * toFloat(x[size_t(n) * p.columns + p.column(r, i)]);
  return y;
}

// dx (batch, columns) = dy·W.
inline std::vector<double> inputGradient(const Pattern& p, const std::vector<bf16>& dy, const std::vector<bf16>& values,
                                         int batch) {
  std::vector<double> dx(size_t(batch) * p.columns);
  for (int n = 0; n < batch; n++)
    for (int r = 0; r < p.liveRows(); r++)
      for (int i = 0; i < p.fanIn; i++)
        dx[size_t(n) * p.columns + p.column(r, i)] +=
            double(toFloat(values[size_t(r) * p.fanIn + i])) * toFloat(dy[size_t(n) * p.rows + p.row(r)]);
  return dx;
}

// dvalues (live rows, fanIn) of dyᵀ·x.
inline std::vector<double> weightGradient(const Pattern& p, const std::vector<bf16>& dy, const std::vector<bf16>& x, int batch) {
  std::vector<double> dvalues(p.nonZeros());
  for (int r = 0; r < p.liveRows(); r++)
    for (int i = 0; i < p.fanIn; i++)
      for (int n = 0; n < batch; n++)
        dvalues[size_t(r) * p.fanIn + i] +=
            double(toFloat(dy[size_t(n) * p.rows + p.row(r)])) * toFloat(x[size_t(n) * p.columns + p.column(r, i)]);
  return dvalues;
}

// The operand x (rows, columns) transposed, rows of stride elements that are 0 past the batch.
inline long long strideOf(int batch) { return (batch + 7) / 8 * 8; }
inline std::vector<bf16> transposed(const std::vector<bf16>& x, int batch, int columns) {
  std::vector<bf16> xt(size_t(columns) * strideOf(batch), fromFloat<bf16>(0.0f));
  for (int n = 0; n < batch; n++)
    for (int c = 0; c < columns; c++) xt[size_t(c) * strideOf(batch) + n] = x[size_t(n) * columns + c];
  return xt;
}

// A product (batch, outputs) with nothing else on its way out.
inline GemmArguments plainOutput(bf16* c, int batch, int outputs) {
  GemmArguments g = {};
  g.c = c, g.strideC = outputs, g.m = batch, g.n = outputs, g.groups = 1;
  return g;
}

// Launches with all that happens on a product's way out, one nonlinearity after the other, against the plain sums (batch,
// outputs); forward: f is applied, else its slope. launch(g) queues the product.
template <class Launch>
void checkEpilogues(test::Check& check, const std::string& what, bool forward, const std::vector<double>& sums, int batch,
                    int outputs, Launch launch) {
  size_t size = size_t(batch) * outputs;
  for (const gemm_check::Nonlinearity& f : gemm_check::NONLINEARITIES) {
    auto bias = check.normal<bf16>(outputs), residual = check.normal<bf16>(size), given = check.normal<bf16>(size, 2.0f);
    auto old = check.normal<bf16>(size);
    device::Buffer<bf16> C(old), Bias(bias), Residual(residual), H(size);
    if (!forward) device::copy(H.data(), given.data(), size * sizeof(bf16));
    GemmArguments g = plainOutput(C, batch, outputs);
    g.bias = Bias, g.residual = Residual.data(), g.preactivation = H, g.activation = f.code;
    g.accumulate = !forward;
    launch(g);
    std::vector<double> y(size), h(size);
    for (size_t i = 0; i < size; i++) {
      h[i] = toFloat(given[i]);
      y[i] = gemm_check::epilogue(f, forward, sums[i], toFloat(bias[i % outputs]), toFloat(residual[i]), h[i]);
      if (!forward) y[i] += toFloat(old[i]);
    }
    check.near(what + ", " + f.name, C.toHost(), y, 1e-4, 0.0040);
    if (forward) check.near(what + ", " + f.name + ": h", H.toHost(), h, 1e-4, 0.0040);
  }
}

}  // namespace sparse_check
