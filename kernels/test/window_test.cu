// Checks of nn/window.cu against double arithmetic.
#include "nn/window.cu"

#include "test/conv_check.h"

using conv_check::forEachSeen;
using conv_check::Shape;

namespace {

// Channels by eights and not; windows that overlap, that do not, and that pass the edges.
const Shape SHAPES[] = {{1, 1, 1, 1, 0, 1, 1, 0}, {2, 5, 7, 3, 0, 3, 1, 1}, {2, 6, 6, 8, 0, 2, 2, 0},
                        {3, 7, 5, 16, 0, 3, 2, 1}, {1, 9, 8, 24, 0, 5, 3, 2}, {2, 4, 4, 17, 0, 3, 2, 1}};
constexpr int BLOCKS = 3, THREADS = 64;

template <typename T> struct Family;
template <> struct Family<float> {
  static constexpr auto patches = patches_f32;
  static constexpr auto patchesBackward = patches_backward_f32;
  static constexpr auto maxPool = max_pool_f32;
  static constexpr auto maxPoolBackward = max_pool_backward_f32;
};
template <> struct Family<bf16> {
  static constexpr auto patches = patches_bf16;
  static constexpr auto patchesBackward = patches_backward_bf16;
  static constexpr auto maxPool = max_pool_bf16;
  static constexpr auto maxPoolBackward = max_pool_backward_bf16;
};

// Sums over the places of a window; bf16 is off by half a unit of its 8 bits.
template <typename T> double relativeTolerance() { return sizeof(T) == 2 ? 0.0040 : 1e-6; }
constexpr double ABSOLUTE = 1e-5;

template <typename T>
void checkPatches(test::Check& check) {
  for (const Shape& s : SHAPES) {
    auto x = check.normal<T>(size_t(s.rows()) * s.channels);
    std::vector<T> expected(size_t(s.outRows()) * s.patch(), fromFloat<T>(0));
    forEachSeen(s, [&](int out, int tap, int in) {
      for (int c = 0; c < s.channels; c++)
        expected[size_t(out) * s.patch() + tap * s.channels + c] = x[size_t(in) * s.channels + c];
    });
    device::Buffer<T> X(x), P(expected.size());
    device::launch(Family<T>::patches, BLOCKS, THREADS, 0, X, P, s.patch(), s.window(), s.outRows());
    check.identical(s.text(), P.toHost(), expected);
    int stride = (s.patch() + 7) / 8 * 8 + 8;
    device::Buffer<T> Strided(size_t(s.outRows()) * stride);
    device::launch(Family<T>::patches, BLOCKS, THREADS, 0, X, Strided, stride, s.window(), s.outRows());
    auto strided = Strided.toHost();
    std::vector<T> found;
    for (int row = 0; row < s.outRows(); row++)
      found.insert(found.end(), strided.begin() + size_t(row) * stride, strided.begin() + size_t(row) * stride + s.patch());
    check.identical(s.text() + " strided", found, expected);
  }
}

template <typename T>
void checkPatchesBackward(test::Check& check) {
  for (const Shape& s : SHAPES)
    for (bool accumulate : {false, true}) {
      auto dp = check.normal<T>(size_t(s.outRows()) * s.patch()), before = check.normal<T>(size_t(s.rows()) * s.channels);
      std::vector<double> expected(before.size());
      for (size_t i = 0; i < before.size() && accumulate; i++) expected[i] = toFloat(before[i]);
      forEachSeen(s, [&](int out, int tap, int in) {
        for (int c = 0; c < s.channels; c++)
          expected[size_t(in) * s.channels + c] += toFloat(dp[size_t(out) * s.patch() + tap * s.channels + c]);
      });
      device::Buffer<T> DP(dp), DX(before);
      if (!accumulate) DX.poison();
      device::launch(Family<T>::patchesBackward, BLOCKS, THREADS, 0, DP, s.patch(), DX, s.window(), s.rows(), int(accumulate));
      check.near(s.text(), DX.toHost(), expected, ABSOLUTE, relativeTolerance<T>());
    }
}

// Few values, so that some are equal: the first place of the largest counts.
template <typename T>
void checkMaxPool(test::Check& check) {
  for (const Shape& s : SHAPES) {
    std::vector<T> x(size_t(s.rows()) * s.channels);
    for (T& v : x) v = fromFloat<T>(check.integer(-5, 5));
    std::vector<T> y(size_t(s.outRows()) * s.channels, fromFloat<T>(-1000));
    std::vector<int> taps(y.size());
    auto dy = check.normal<T>(y.size());
    std::vector<double> dx(x.size());
    forEachSeen(s, [&](int out, int tap, int in) {
      for (int c = 0; c < s.channels; c++) {
        size_t to = size_t(out) * s.channels + c, from = size_t(in) * s.channels + c;
        if (toFloat(x[from]) > toFloat(y[to])) y[to] = x[from], taps[to] = tap;
      }
    });
    forEachSeen(s, [&](int out, int tap, int in) {
      for (int c = 0; c < s.channels; c++)
        if (taps[size_t(out) * s.channels + c] == tap)
          dx[size_t(in) * s.channels + c] += toFloat(dy[size_t(out) * s.channels + c]);
    });
    device::Buffer<T> X(x), Y(y.size()), DY(dy), DX(x.size());
    device::Buffer<int> Taps(taps.size());
    device::launch(Family<T>::maxPool, BLOCKS, THREADS, 0, X, Y, Taps, s.window(), s.outRows());
    device::launch(Family<T>::maxPoolBackward, BLOCKS, THREADS, 0, DY, Taps, DX, s.window(), s.rows());
    check.identical(s.text() + " y", Y.toHost(), y);
    check.equal(s.text() + " taps", Taps.toHost(), taps);
    check.near(s.text() + " dx", DX.toHost(), dx, ABSOLUTE, relativeTolerance<T>());
  }
}

}  // namespace

SPARROW_CHECK(window, patches_f32) { checkPatches<float>(check); }
SPARROW_CHECK(window, patches_bf16) { checkPatches<bf16>(check); }
SPARROW_CHECK(window, patches_backward_f32) { checkPatchesBackward<float>(check); }
SPARROW_CHECK(window, patches_backward_bf16) { checkPatchesBackward<bf16>(check); }
SPARROW_CHECK(window, max_pool_f32) { checkMaxPool<float>(check); }
SPARROW_CHECK(window, max_pool_bf16) { checkMaxPool<bf16>(check); }

SPARROW_CHECK(window, columns_are_padded_and_the_gradients_of_padding_left_out) {
  int rows = 5, columns = 27, stride = 32;
  auto w = check.normal<bf16>(rows * columns);
  auto dw = check.normal<float>(rows * columns), wide = check.normal<float>(rows * stride);
  std::vector<bf16> padded(rows * stride, fromFloat<bf16>(0));
  std::vector<double> sum(dw.begin(), dw.end());
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < columns; c++) {
      padded[r * stride + c] = w[r * columns + c];
      sum[r * columns + c] += wide[r * stride + c];
    }
  device::Buffer<bf16> W(w), Padded(padded.size());
  device::Buffer<float> DW(dw), Wide(wide);
  device::launch(pad_columns_bf16, 2, 32, 0, W, columns, Padded, stride, rows);
  device::launch(add_columns_f32, 2, 32, 0, Wide, stride, DW, columns, rows);
  check.identical("w", Padded.toHost(), padded);
  check.near("dw", DW.toHost(), sum, 1e-6, 1e-6);
}

SPARROW_CHECK(window, what_is_not_a_number_stays_one) {
  Shape s = {1, 2, 2, 1, 0, 2, 2, 0};
  for (int place = 0; place < 4; place++) {
    std::vector<float> x = {1, 2, 3, 4};
    x[place] = NAN;
    device::Buffer<float> X(x), Y(1);
    device::Buffer<int> Taps(1);
    device::launch(max_pool_f32, 1, 32, 0, X, Y, Taps, s.window(), 1);
    check.near("y", Y.toHost(), std::vector<float>{NAN}, 0, 0);
    check.equal("taps", Taps.toHost(), std::vector<int>{place});
  }
}
