// Checks of nn/norm.cu against double arithmetic.
#include "nn/norm.cu"

#include <algorithm>

#include "common/launch.cuh"
#include "test/check.h"

namespace {

constexpr float EPSILON = 1e-5f;

struct Shape { int rows, columns, blocks, threads; };

// One element, odd, around a warp's and a block's share, GPT-2's width; blocks fewer than rows and as many.
const Shape SHAPES[] = {{1, 1, 1, 32},   {3, 7, 3, 32},    {5, 31, 2, 64},   {4, 255, 4, 128},
                        {2, 256, 1, 32}, {3, 257, 2, 128}, {17, 768, 5, 96}, {2, 4096, 2, 256}};

// bf16 results are off by half a unit of the last of 8 bits; fp32 by the sum over a row.
template <typename T> double relativeTolerance() { return sizeof(T) == 2 ? 0.0040 : 1e-5; }

template <typename T> struct Family;
template <> struct Family<float> {
  static constexpr auto layerNorm = layer_norm_f32;
  static constexpr auto rmsNorm = rms_norm_f32;
  static constexpr auto layerNormBackward = layer_norm_backward_f32;
  static constexpr auto rmsNormBackward = rms_norm_backward_f32;
};
template <> struct Family<bf16> {
  static constexpr auto layerNorm = layer_norm_bf16;
  static constexpr auto rmsNorm = rms_norm_bf16;
  static constexpr auto layerNormBackward = layer_norm_backward_bf16;
  static constexpr auto rmsNormBackward = rms_norm_backward_bf16;
};

// The plain reference, row by row, in double.
struct Reference {
  std::vector<double> y, mean, rstd, dx, dweight, dbias;

  template <typename T>
  Reference(const Shape& s, bool centered, const std::vector<T>& x, const std::vector<T>& weight,
            const std::vector<T>* bias, const std::vector<T>& dy)
      : y(x.size()), mean(s.rows), rstd(s.rows), dx(x.size()), dweight(s.columns), dbias(s.columns) {
    int n = s.columns;
    for (int r = 0; r < s.rows; r++) {
      auto at = [&](int c) { return double(toFloat(x[size_t(r) * n + c])); };
      double variance = 0, meanG = 0, meanGn = 0;
      for (int c = 0; c < n && centered; c++) mean[r] += at(c) / n;
      for (int c = 0; c < n; c++) variance += (at(c) - mean[r]) * (at(c) - mean[r]) / n;
      rstd[r] = 1 / std::sqrt(variance + EPSILON);
      for (int c = 0; c < n; c++) {
        double normal = (at(c) - mean[r]) * rstd[r], d = toFloat(dy[size_t(r) * n + c]), w = toFloat(weight[c]);
        y[size_t(r) * n + c] = normal * w + (bias ? toFloat((*bias)[c]) : 0.0f);
        dweight[c] += d * normal;
        dbias[c] += d;
        meanG += centered ? d * w / n : 0;
        meanGn += d * w * normal / n;
      }
      for (int c = 0; c < n; c++) {
        double normal = (at(c) - mean[r]) * rstd[r], g = double(toFloat(dy[size_t(r) * n + c])) * toFloat(weight[c]);
        dx[size_t(r) * n + c] = rstd[r] * (g - meanG - normal * meanGn);
      }
    }
  }
};

template <typename T>
void checkForward(test::Check& check, bool centered, bool withBias) {
  for (const Shape& s : SHAPES) {
    auto x = check.normal<T>(size_t(s.rows) * s.columns, 2.0f, 0.5f), weight = check.normal<T>(s.columns, 0.5f, 1.0f),
         bias = check.normal<T>(s.columns);
    Reference reference(s, centered, x, weight, withBias ? &bias : nullptr, x);
    device::Buffer<T> X(x), W(weight), B(bias), Y(x.size());
    device::Buffer<float> mean(s.rows), rstd(s.rows);
    const T* biasOrNull = withBias ? B.data() : nullptr;
    if (centered)
      device::launch(Family<T>::layerNorm, s.blocks, s.threads, 0, X, W, biasOrNull, Y, mean, rstd, s.rows, s.columns,
                     EPSILON);
    else
      device::launch(Family<T>::rmsNorm, s.blocks, s.threads, 0, X, W, Y, rstd, s.rows, s.columns, EPSILON);
    std::string shape = " (" + std::to_string(s.rows) + ", " + std::to_string(s.columns) + ")";
    check.near("y" + shape, Y.toHost(), reference.y, 1e-5, relativeTolerance<T>());
    if (centered) check.near("mean" + shape, mean.toHost(), reference.mean, 1e-5, 1e-5);
    check.near("rstd" + shape, rstd.toHost(), reference.rstd, 0, 1e-5);
  }
}

template <typename T>
void checkBackward(test::Check& check, bool centered, bool accumulate) {
  for (const Shape& s : SHAPES) {
    auto x = check.normal<T>(size_t(s.rows) * s.columns, 2.0f, 0.5f), dy = check.normal<T>(x.size()),
         weight = check.normal<T>(s.columns, 0.5f, 1.0f), old = check.normal<T>(x.size());
    Reference reference(s, centered, x, weight, &weight, dy);
    for (size_t i = 0; i < x.size() && accumulate; i++) reference.dx[i] += toFloat(old[i]);
    int kinds = centered ? 2 : 1;
    std::vector<float> mean32(reference.mean.begin(), reference.mean.end()),
        rstd32(reference.rstd.begin(), reference.rstd.end());
    device::Buffer<T> X(x), DY(dy), W(weight), DX(old);
    if (!accumulate) DX.poison();
    device::Buffer<float> mean(mean32), rstd(rstd32), partials(size_t(s.blocks) * kinds * s.columns);
    size_t shared = size_t(kinds) * s.columns * sizeof(float);
    if (centered)
      device::launch(Family<T>::layerNormBackward, s.blocks, s.threads, shared, DY, X, W, mean, rstd, accumulate, DX,
                     partials, s.rows, s.columns);
    else
      device::launch(Family<T>::rmsNormBackward, s.blocks, s.threads, shared, DY, X, W, rstd, accumulate, DX, partials,
                     s.rows, s.columns);
    std::vector<float> shares = partials.toHost();
    std::vector<double> dweight(s.columns), dbias(s.columns);
    for (int block = 0; block < s.blocks; block++)
      for (int c = 0; c < s.columns; c++) {
        size_t at = size_t(block) * kinds * s.columns + c;
        dweight[c] += shares[at];
        if (centered) dbias[c] += shares[at + s.columns];
      }
    std::string shape = " (" + std::to_string(s.rows) + ", " + std::to_string(s.columns) + ")";
    // A row's mean(g·n) and the terms cancel where the result is near 0: an absolute part of some units of 1. A single column has
    // rstd = 1/sqrt(epsilon) = 316 when centred, which magnifies the rounding of its mean.
    check.near("dx" + shape, DX.toHost(), reference.dx, s.columns == 1 ? 1e-3 : 2e-5, relativeTolerance<T>());
    check.near("dweight" + shape, dweight, reference.dweight, s.columns == 1 ? 1e-3 : 5e-5, 1e-5);
    if (centered) check.near("dbias" + shape, dbias, reference.dbias, 5e-5, 1e-5);
  }
}

SPARROW_CHECK(norm, layer_norm_f32) { checkForward<float>(check, true, true); }
SPARROW_CHECK(norm, layer_norm_bf16) { checkForward<bf16>(check, true, true); }
SPARROW_CHECK(norm, layer_norm_without_bias) { checkForward<float>(check, true, false); }
SPARROW_CHECK(norm, rms_norm_f32) { checkForward<float>(check, false, false); }
SPARROW_CHECK(norm, rms_norm_bf16) { checkForward<bf16>(check, false, false); }
SPARROW_CHECK(norm, layer_norm_backward_f32) { checkBackward<float>(check, true, false); }
SPARROW_CHECK(norm, layer_norm_backward_bf16) { checkBackward<bf16>(check, true, false); }
SPARROW_CHECK(norm, layer_norm_backward_accumulates) { checkBackward<float>(check, true, true); }
SPARROW_CHECK(norm, rms_norm_backward_f32) { checkBackward<float>(check, false, false); }
SPARROW_CHECK(norm, rms_norm_backward_bf16) { checkBackward<bf16>(check, false, false); }
SPARROW_CHECK(norm, rms_norm_backward_accumulates) { checkBackward<bf16>(check, false, true); }

}  // namespace
