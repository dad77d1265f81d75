// What the checks of all matrix products share: shapes, stored operands, tolerances, plain products.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common/launch.cuh"
#include "gemm/gemm.cuh"
#include "test/check.h"
#include "test/nonlinearity.h"

namespace gemm_check {

struct Shape { int m, n, k; };

// One element (k is at least a chunk), odd, tile - 1, tile, tile + 1, several stages deep, several tiles either way.
const Shape SHAPES[] = {{1, 1, 8}, {3, 7, 24}, {63, 64, 32}, {64, 65, 40}, {65, 63, 200}, {129, 136, 72}, {200, 24, 160}};

inline int padded(int n) { return (n + 7) / 8 * 8; }

// A matrix as it is stored: rows of stride elements, of which the first columns count and the others are NaN.
struct Stored {
  int rows, columns, stride;
  std::vector<bf16> values;

  Stored(test::Check& check, int rows, int columns, int extra)
      : rows(rows), columns(columns), stride(padded(columns) + extra), values(size_t(rows) * stride, fromFloat<bf16>(NAN)) {
    auto random = check.normal<bf16>(size_t(rows) * columns);
    for (int r = 0; r < rows; r++)
      for (int c = 0; c < columns; c++) values[size_t(r) * stride + c] = random[size_t(r) * columns + c];
  }
  // Makes the rows from first on NaN.
  void poisonFrom(int first) {
    std::fill(values.begin() + size_t(first) * stride, values.end(), fromFloat<bf16>(NAN));
  }
  double at(int r, int c) const { return toFloat(values[size_t(r) * stride + c]); }
};

// Sums of k products of unit normals have a deviation of sqrt(k); fp32 adds them with an error far below bf16's half unit
// of the last place, 2^-9, which the result's rounding may add. Tensor cores cut sums off where fp32 would round: an H100 errs by up
// to 3e-6 of the deviation at k = 1003.
inline double absoluteTolerance(int k) { return 6e-6 * std::sqrt(double(k)) + 1e-6; }
template <class Out> double relativeTolerance() { return sizeof(Out) == 2 ? 0.0040 : 2e-6; }

// (m, n) of a result whose rows are stride apart; what lies between must still be poison.
template <class Out>
std::vector<Out> dense(test::Check& check, const std::string& what, const std::vector<Out>& stored, int m, int n, int stride) {
  std::vector<Out> result(size_t(m) * n);
  for (int r = 0; r < m; r++)
    for (int c = 0; c < stride; c++) {
      Out v = stored[size_t(r) * stride + c];
      if (c < n) result[size_t(r) * n + c] = v;
      else if (!std::isnan(toFloat(v))) return check.fail(what + ": wrote past the last column"), result;
    }
  return result;
}

// The plain product; transposed says how each operand is stored. An operand is what has at(row, column).
template <class A, class B>
std::vector<double> product(const A& a, const B& b, bool transposedA, bool transposedB, Shape s) {
  std::vector<double> c(size_t(s.m) * s.n);
  for (int i = 0; i < s.m; i++)
    for (int j = 0; j < s.n; j++)
      for (int p = 0; p < s.k; p++)
        c[size_t(i) * s.n + j] += (transposedA ? a.at(p, i) : a.at(i, p)) * (transposedB ? b.at(j, p) : b.at(p, j));
  return c;
}

// Rows of each group: empty ones first, between and last; one row; around a tile; more groups than lanes.
inline std::vector<int> offsetsOf(const std::vector<int>& rows) {
  std::vector<int> offsets(1, 0);
  for (int r : rows) offsets.push_back(offsets.back() + r);
  return offsets;
}
const std::vector<int> LOADS[] = {{0, 1, 63, 0, 64, 65, 0}, {130}, {0, 0, 0}};
inline std::vector<int> manyGroups() {
  std::vector<int> rows(70, 0);
  rows[0] = 3, rows[31] = 2, rows[32] = 66, rows[69] = 5;
  return rows;
}

// For gathered products: a row of x for each of used rows, some of them twice and some never, and then rows that are not
// there and that nobody may look at.
inline std::vector<int> randomRows(test::Check& check, int used, int stored) {
  std::vector<int> rows(used + 5, 1 << 29);
  for (int i = 0; i < used; i++) rows[i] = check.integer(0, stored - 1);
  return rows;
}

// The plain ragged-rows product, (m, n): NaN, which is what buffers hold at first, past the last group's rows.
template <class A, class B>
std::vector<double> raggedRowsProduct(const A& a, const B& b, bool transposedB, const std::vector<int>& offsets, int m, int n,
                                      int k) {
  std::vector<double> c(size_t(m) * n, NAN);
  for (size_t group = 0; group + 1 < offsets.size(); group++)
    for (int i = offsets[group]; i < offsets[group + 1]; i++)
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int p = 0; p < k; p++) sum += a.at(i, p) * (transposedB ? b.at(int(group) * n + j, p) : b.at(int(group) * k + p, j));
        c[size_t(i) * n + j] = sum;
      }
  return c;
}

// Adds the plain ragged-depth products, (groups, m, n).
template <class A, class B>
void addRaggedDepthProduct(const A& a, const B& b, const std::vector<int>& offsets, int m, int n, std::vector<double>& c) {
  for (size_t group = 0; group + 1 < offsets.size(); group++)
    for (int i = 0; i < m; i++)
      for (int j = 0; j < n; j++)
        for (int r = offsets[group]; r < offsets[group + 1]; r++) c[(group * m + i) * n + j] += a.at(r, i) * b.at(r, j);
}

// f as a launch names it.
struct Nonlinearity {
  int code;
  const char* name;
  nonlinearity::Value (*at)(double);
};
inline nonlinearity::Value identity(double x) { return {x, 1}; }
const Nonlinearity NONLINEARITIES[] = {{GEMM_IDENTITY, "identity", identity},
                                       {GEMM_GELU, "gelu", nonlinearity::gelu},
                                       {GEMM_GELU_TANH, "gelu_tanh", nonlinearity::geluTanh},
                                       {GEMM_SILU, "silu", nonlinearity::silu},
                                       {GEMM_RELU, "relu", nonlinearity::relu}};

// The epilogue of one element: forward, h = sum + bias and y = f(h) + residual; else y = (sum + bias)·f'(h) + residual of the
// h that is given.
inline double epilogue(const Nonlinearity& f, bool forward, double sum, double bias, double residual, double& h) {
  if (forward) h = sum + bias;
  return (forward ? f.at(h).value : (sum + bias) * f.at(h).slope) + residual;
}

// Products in bf16 with all that is done to them on their way out, nt (forward) or nn; with ragged rows, or dense where rows is
// null. launch(g, a, b, A, B) runs g, whose operands alone are not set yet; A and B are where a and b lie.
template <class Launch>
void checkEpilogue(test::Check& check, const std::string& name, bool forward, const std::vector<int>* rows, Shape s,
                   Launch launch) {
  std::vector<int> offsets = offsetsOf(rows != nullptr ? *rows : std::vector<int>{s.m});
  int groups = int(offsets.size()) - 1, used = offsets.back(), stride = padded(s.n);
  if (rows != nullptr) s.m = used + 5;  // room for more rows than there are
  for (const Nonlinearity& f : NONLINEARITIES) {
    Stored a(check, s.m, s.k, 0), b(check, groups * (forward ? s.n : s.k), forward ? s.k : s.n, 0);
    size_t size = size_t(s.m) * stride;
    auto bias = check.normal<bf16>(s.n), residual = check.normal<bf16>(size), given = check.normal<bf16>(size, 2.0f);
    device::Buffer<bf16> A(a.values), B(b.values), C(size), Bias(bias), Residual(residual), H(size);
    if (!forward) device::copy(H.data(), given.data(), size * sizeof(bf16));
    device::Buffer<int> Offsets(offsets);
    GemmArguments g = {};
    g.c = C.data();
    g.bias = Bias;
    g.residual = Residual.data();
    g.preactivation = H;
    g.activation = f.code;
    g.offsets = rows != nullptr ? Offsets.data() : nullptr;
    g.groupStrideB = rows != nullptr ? (long long)b.stride * (forward ? s.n : s.k) : 0;
    g.strideC = stride;
    g.m = s.m, g.n = s.n, g.k = s.k, g.groups = groups;
    launch(g, a, b, A.data(), B.data());
    std::vector<double> y = raggedRowsProduct(a, b, forward, offsets, s.m, s.n, s.k), h(y.size(), NAN);
    for (int i = 0; i < used; i++)
      for (int j = 0; j < s.n; j++) {
        size_t at = size_t(i) * s.n + j, stored = size_t(i) * stride + j;
        h[at] = toFloat(given[stored]);
        y[at] = epilogue(f, forward, y[at], toFloat(bias[j]), toFloat(residual[stored]), h[at]);
      }
    std::string what = name + ", " + f.name + " (" + std::to_string(s.m) + ", " + std::to_string(s.n) + ")";
    // The terms may cancel: fp32's error in each stays.
    check.near(what, dense(check, what, C.toHost(), s.m, s.n, stride), y, 1e-4, 0.0040);
    if (forward) check.near(what + ": h", dense(check, what, H.toHost(), s.m, s.n, stride), h, 1e-4, 0.0040);
  }
}

}  // namespace gemm_check
