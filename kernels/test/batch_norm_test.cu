// Checks of nn/batch_norm.cu against double arithmetic.
#include "nn/batch_norm.cu"

#include "common/launch.cuh"
#include "test/check.h"

namespace {

constexpr float EPSILON = 1e-5f, MOMENTUM = 0.1f;

struct Shape {
  int rows, channels, blocks;
  std::string text() const {
    return "(" + std::to_string(rows) + ", " + std::to_string(channels) + ") in " + std::to_string(blocks) + " blocks";
  }
};

// One number, odd sizes, channels by eights and not, a block's columns and more, more blocks than lanes.
const Shape SHAPES[] = {{1, 1, 1}, {5, 3, 2}, {64, 8, 4}, {300, 16, 7}, {77, 40, 3}, {90, 256, 4}, {50, 264, 5}, {200, 17, 70}};

template <typename T> struct Family;
template <> struct Family<float> {
  static constexpr auto moments = batch_moments_f32;
  static constexpr auto apply = batch_norm_f32;
  static constexpr auto sums = batch_norm_sums_f32;
  static constexpr auto gradients = batch_norm_gradients_f32;
  static constexpr auto backward = batch_norm_backward_f32;
};
template <> struct Family<bf16> {
  static constexpr auto moments = batch_moments_bf16;
  static constexpr auto apply = batch_norm_bf16;
  static constexpr auto sums = batch_norm_sums_bf16;
  static constexpr auto gradients = batch_norm_gradients_bf16;
  static constexpr auto backward = batch_norm_backward_bf16;
};

template <typename T> double relativeTolerance() { return sizeof(T) == 2 ? 0.0040 : 1e-5; }

dim3 overColumns(const Shape& s) { return dim3((s.channels + 255) / 256, s.blocks); }
int warps(const Shape& s) { return (s.channels + 7) / 8; }  // blocks of eight warps

// Channels far from zero beside their spread: plain sums of squares would lose it.
template <typename T>
std::vector<T> inputs(test::Check& check, const Shape& s) {
  auto x = check.normal<T>(size_t(s.rows) * s.channels);
  for (size_t i = 0; i < x.size(); i++) x[i] = fromFloat<T>(toFloat(x[i]) + 8 * int(i % s.channels % 5));
  return x;
}

template <typename T>
void checkStatistics(test::Check& check) {
  for (const Shape& s : SHAPES) {
    auto x = inputs<T>(check, s);
    auto runningMean = check.normal<float>(s.channels), runningVariance = check.normal<float>(s.channels, 0.1f, 1.0f);
    std::vector<double> mean(s.channels), rstd(s.channels), meanAfter(s.channels), varianceAfter(s.channels);
    for (int c = 0; c < s.channels; c++) {
      double squares = 0;
      for (int r = 0; r < s.rows; r++) mean[c] += toFloat(x[size_t(r) * s.channels + c]) / double(s.rows);
      for (int r = 0; r < s.rows; r++) squares += std::pow(toFloat(x[size_t(r) * s.channels + c]) - mean[c], 2);
      rstd[c] = 1 / std::sqrt(squares / s.rows + EPSILON);
      meanAfter[c] = (1 - MOMENTUM) * runningMean[c] + MOMENTUM * mean[c];
      varianceAfter[c] = (1 - MOMENTUM) * runningVariance[c] + MOMENTUM * squares / std::max(1, s.rows - 1);
    }
    device::Buffer<T> X(x);
    device::Buffer<float> Partials(size_t(2) * s.blocks * s.channels), Mean(s.channels), Rstd(s.channels), RunningMean(runningMean),
        RunningVariance(runningVariance), Again(s.channels);
    device::launch(Family<T>::moments, overColumns(s), 256, 0, X, Partials, s.rows, s.channels);
    device::launch(batch_statistics_f32, warps(s), 256, 0, Partials, s.blocks, s.rows, s.channels, EPSILON, MOMENTUM, Mean, Rstd,
                   RunningMean, RunningVariance);
    check.near(s.text() + " mean", Mean.toHost(), mean, 1e-5, 1e-6);
    check.near(s.text() + " rstd", Rstd.toHost(), rstd, 0, 1e-5);
    check.near(s.text() + " running mean", RunningMean.toHost(), meanAfter, 1e-6, 1e-6);
    check.near(s.text() + " running variance", RunningVariance.toHost(), varianceAfter, 0, 1e-5);
    std::vector<double> inverse(s.channels);
    for (int c = 0; c < s.channels; c++) inverse[c] = 1 / std::sqrt(RunningVariance.toHost()[c] + EPSILON);
    device::launch(inverse_deviation_f32, 2, 32, 0, RunningVariance, EPSILON, Again, s.channels);
    check.near(s.text() + " rstd of the running variance", Again.toHost(), inverse, 0, 1e-6);
  }
}

template <typename T>
void checkOutputsAndGradients(test::Check& check, bool residual, bool rectified) {
  for (const Shape& s : SHAPES) {
    size_t n = size_t(s.rows) * s.channels;
    auto x = check.normal<T>(n), r = check.normal<T>(n), dy = check.normal<T>(n);
    auto weight = check.normal<T>(s.channels), bias = check.normal<T>(s.channels);
    auto mean = check.normal<float>(s.channels), rstd = check.normal<float>(s.channels, 0.1f, 1.0f);
    auto dweight = check.normal<float>(s.channels), dbias = check.normal<float>(s.channels);
    device::Buffer<T> X(x), R(r), DY(dy), Weight(weight), Bias(bias), Y(n), DX(n);
    device::Buffer<float> Mean(mean), Rstd(rstd), DWeight(dweight), DBias(dbias);
    device::launch(Family<T>::apply, 3, 64, 0, X, Mean, Rstd, Weight, Bias, residual ? R.data() : nullptr, Y, n, s.channels,
                   int(rectified));
    auto normal = [&](size_t i) { return (double(toFloat(x[i])) - mean[i % s.channels]) * rstd[i % s.channels]; };
    std::vector<double> expected(n);
    for (size_t i = 0; i < n; i++) {
      int c = int(i % s.channels);
      expected[i] = normal(i) * toFloat(weight[c]) + toFloat(bias[c]) + (residual ? toFloat(r[i]) : 0.0f);
      if (rectified) expected[i] = std::max(0.0, expected[i]);
    }
    auto y = Y.toHost();
    check.near(s.text() + " y", y, expected, 1e-5, relativeTolerance<T>());

    auto dz = dy;
    std::vector<double> sum(s.channels), product(s.channels), dweightAfter(s.channels), dbiasAfter(s.channels), dx(n);
    for (size_t i = 0; i < n; i++) {
      if (rectified && toFloat(y[i]) <= 0) dz[i] = fromFloat<T>(0);
      sum[i % s.channels] += toFloat(dz[i]);
      product[i % s.channels] += toFloat(dz[i]) * normal(i);
    }
    for (int c = 0; c < s.channels; c++) {
      dweightAfter[c] = dweight[c] + product[c];
      dbiasAfter[c] = dbias[c] + sum[c];
    }
    for (size_t i = 0; i < n; i++) {
      int c = int(i % s.channels);
      double g = toFloat(dz[i]) - sum[c] / s.rows - normal(i) * product[c] / s.rows;
      dx[i] = toFloat(weight[c]) * rstd[c] * g;
    }
    device::Buffer<float> Partials(size_t(2) * s.blocks * s.channels), Terms(size_t(3) * s.channels);
    device::launch(Family<T>::sums, overColumns(s), 256, 0, DY, rectified ? Y.data() : nullptr, X, Mean, Partials, s.rows,
                   s.channels);
    device::launch(Family<T>::gradients, warps(s), 256, 0, Partials, s.blocks, s.rows, s.channels, Rstd, Weight, DWeight, DBias,
                   Terms);
    device::launch(Family<T>::backward, 3, 64, 0, DY, X, Mean, Terms, DX, n, s.channels);
    check.near(s.text() + " dz", DY.toHost(), dz, 0, 0);
    check.near(s.text() + " dweight", DWeight.toHost(), dweightAfter, 1e-6 * s.rows + 1e-5, 1e-5);
    check.near(s.text() + " dbias", DBias.toHost(), dbiasAfter, 1e-6 * s.rows + 1e-5, 1e-5);
    check.near(s.text() + " dx", DX.toHost(), dx, 3e-5, relativeTolerance<T>());
  }
}

}  // namespace

SPARROW_CHECK(batch_norm, statistics_f32) { checkStatistics<float>(check); }
SPARROW_CHECK(batch_norm, statistics_bf16) { checkStatistics<bf16>(check); }
SPARROW_CHECK(batch_norm, outputs_and_gradients_f32) {
  checkOutputsAndGradients<float>(check, true, true);
  checkOutputsAndGradients<float>(check, false, false);
}
SPARROW_CHECK(batch_norm, outputs_and_gradients_bf16) {
  checkOutputsAndGradients<bf16>(check, true, true);
  checkOutputsAndGradients<bf16>(check, false, true);
}
