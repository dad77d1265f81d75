// Checks of nn/cross_entropy.cu against double arithmetic.
#include "nn/cross_entropy.cu"

#include <algorithm>

#include "common/launch.cuh"
#include "test/check.h"

namespace {

struct Shape { int rows, classes, columns, blocks, threads; };

// One class, odd, around packs of 4 and 8 and a block's share; rows off every 16-byte boundary; GPT-2's vocabulary; the
// largest. Without padding, with one column of it, within a pack, several packs, more than a block's share.
const Shape SHAPES[] = {{1, 1, 1, 1, 32},         {3, 2, 2, 2, 32},           {9, 7, 7, 4, 32},
                        {5, 8, 8, 5, 32},         {9, 9, 9, 3, 64},           {4, 255, 255, 4, 32},
                        {4, 256, 256, 2, 32},     {9, 257, 257, 9, 64},       {2, 1000, 1000, 1, 1024},
                        {2, 50257, 50257, 2, 256}, {1, 262144, 262144, 1, 512}, {3, 1, 2, 2, 32},
                        {9, 7, 8, 4, 32},         {9, 7, 13, 9, 32},          {4, 256, 257, 2, 32},
                        {5, 257, 264, 3, 32},     {3, 30, 600, 3, 32},        {2, 50257, 50304, 2, 256}};

constexpr float SCALE = 0.125f;

template <typename T> struct Family;
template <> struct Family<float> {
  static constexpr auto loss = cross_entropy_f32;
  static constexpr auto gradient = cross_entropy_gradient_f32;
};
template <> struct Family<bf16> {
  static constexpr auto loss = cross_entropy_bf16;
  static constexpr auto gradient = cross_entropy_gradient_bf16;
};

std::string name(const Shape& s) {
  return " (" + std::to_string(s.rows) + ", " + std::to_string(s.classes) + " of " + std::to_string(s.columns) + ")";
}

// Random targets: the last class in the first row, every third row ignored where there are rows enough.
std::vector<int> targets(test::Check& check, const Shape& s) {
  std::vector<int> result;
  for (int r = 0; r < s.rows; r++)
    result.push_back(r == 0 ? s.classes - 1 : r % 3 == 1 ? crossentropy::IGNORE : check.integer(0, s.classes - 1));
  return result;
}

struct Reference {
  std::vector<double> losses, gradient;

  template <typename T>
  Reference(const Shape& s, const std::vector<T>& logits, const std::vector<int>& targets)
      : losses(s.rows), gradient(logits.size()) {
    for (int r = 0; r < s.rows; r++) {
      if (targets[r] == crossentropy::IGNORE) continue;
      size_t row = size_t(r) * s.columns;
      double max = -INFINITY, sum = 0;
      for (int c = 0; c < s.classes; c++) max = std::max(max, double(toFloat(logits[row + c])));
      for (int c = 0; c < s.classes; c++) sum += std::exp(toFloat(logits[row + c]) - max);
      losses[r] = std::log(sum) + max - toFloat(logits[row + targets[r]]);
      for (int c = 0; c < s.classes; c++)
        gradient[row + c] = SCALE * (std::exp(toFloat(logits[row + c]) - max) / sum - (c == targets[r]));
    }
  }
};

template <typename T>
void compare(test::Check& check, const Shape& s, const std::vector<T>& logits, const std::vector<int>& targets) {
  Reference reference(s, logits, targets);
  device::Buffer<T> X(logits), DX(logits);
  device::Buffer<int> TARGETS(targets);
  device::Buffer<float> losses(s.rows), gradientLosses(s.rows);
  device::launch(Family<T>::loss, s.blocks, s.threads, 0, X, TARGETS, losses, s.rows, s.classes, s.columns);
  device::launch(Family<T>::gradient, s.blocks, s.threads, 0, DX, TARGETS, SCALE, gradientLosses, s.rows, s.classes,
                 s.columns);
  // The sum over a row in fp32, some hundred terms a thread, and a fast exponential. A gradient is one rounding of T more, and
  // that of the target cancels against 1.
  check.near("losses" + name(s), losses.toHost(), reference.losses, 2e-6, 5e-6);
  check.identical("losses with gradient" + name(s), gradientLosses.toHost(), losses.toHost());
  check.identical("logits" + name(s), X.toHost(), logits);
  check.near("dlogits" + name(s), DX.toHost(), reference.gradient, 1e-6 * SCALE, sizeof(T) == 2 ? 0.0040 : 1e-5);

  // Twice the same, whatever the grid.
  device::Buffer<T> again(logits);
  device::launch(Family<T>::gradient, 1, s.threads, 0, again, TARGETS, SCALE, losses, s.rows, s.classes, s.columns);
  check.identical("dlogits of one block" + name(s), again.toHost(), DX.toHost());
}

template <typename T>
void checkShapes(test::Check& check) {
  for (const Shape& s : SHAPES) {
    auto logits = check.normal<T>(size_t(s.rows) * s.columns, 4.0f);
    for (int r = 0; r < s.rows; r++)  // nobody may read these
      std::fill_n(logits.begin() + size_t(r) * s.columns + s.classes, s.columns - s.classes, fromFloat<T>(NAN));
    compare(check, s, logits, targets(check, s));
  }
}

// The maximum in every place of the row: rising, falling and far from 0, where a sum without the maximum would overflow.
template <typename T>
void checkExtremes(test::Check& check) {
  Shape s = {4, 601, 601, 2, 32};
  std::vector<T> logits(size_t(s.rows) * s.classes);
  for (int c = 0; c < s.classes; c++) {
    logits[c] = fromFloat<T>(float(c));
    logits[s.classes + c] = fromFloat<T>(float(-c));
    logits[2 * s.classes + c] = fromFloat<T>(c % 2 == 0 ? 1e4f : -1e4f);
    logits[3 * s.classes + c] = fromFloat<T>(c == 7 ? -3e38f : -3.1e38f);
  }
  compare(check, s, logits, {600, 3, 2, 7});
}

SPARROW_CHECK(cross_entropy, f32) { checkShapes<float>(check); }
SPARROW_CHECK(cross_entropy, bf16) { checkShapes<bf16>(check); }
SPARROW_CHECK(cross_entropy, extremes_f32) { checkExtremes<float>(check); }
SPARROW_CHECK(cross_entropy, extremes_bf16) { checkExtremes<bf16>(check); }

SPARROW_CHECK(cross_entropy, excluded_classes) {
  Shape s = {2, 300, 300, 2, 32};
  auto logits = check.normal<bf16>(600);
  for (int c = 0; c < 600; c++)
    if (c % 300 < 290) logits[c] = fromFloat<bf16>(-INFINITY);
  compare(check, s, logits, {295, 299});
}

SPARROW_CHECK(cross_entropy, nan_is_not_hidden) {
  auto logits = check.normal<bf16>(300);
  logits[77] = fromFloat<bf16>(NAN);
  device::Buffer<bf16> X(logits);
  device::Buffer<int> target(std::vector<int>{5});
  device::Buffer<float> loss(std::vector<float>{0.0f});
  device::launch(cross_entropy_bf16, 1, 64, 0, X, target, loss, 1, 300, 300);
  check.that(std::isnan(loss.toHost()[0]), "a row with NaN must have a loss that is NaN");
}

}  // namespace
