// Checks of optim/adamw.cu against double arithmetic.
#include "optim/adamw.cu"

#include "common/launch.cuh"
#include "test/check.h"

namespace {

struct Shape { int n, blocks, threads, offset; };

// One element, odd, around packs of 4 and 8 and a block's share, a matrix of GPT-2; unaligned where offset is odd.
const Shape SHAPES[] = {{1, 1, 32, 0},    {3, 2, 32, 0},    {7, 1, 32, 0},      {8, 1, 32, 0},  {9, 3, 32, 0},
                        {255, 2, 64, 0},  {256, 2, 32, 1},  {257, 2, 32, 0},    {1000, 3, 64, 4},
                        {4099, 5, 96, 3}, {768 * 64, 7, 128, 0}};

std::string name(const Shape& s) { return " (" + std::to_string(s.n) + " from " + std::to_string(s.offset) + ")"; }

// Random segments that cover n elements: some empty, ending anywhere.
struct RandomSegments {
  std::vector<long long> ends;
  std::vector<int> decays;
  std::vector<float> rates;

  RandomSegments(test::Check& check, int n) {
    int end = 0;
    while (end < n) {
      end = std::min(n, end + check.integer(0, std::max(2, n / 4)));
      ends.push_back(end);
      decays.push_back(check.integer(0, 1));
      rates.push_back(0.25f * float(check.integer(1, 8)));
    }
  }

  bool decay(int i) const { return decays[of(i)] != 0; }

  double rate(int i) const { return rates[of(i)]; }

 private:
  size_t of(int i) const {
    size_t s = 0;
    while (ends[s] <= i) s++;
    return s;
  }
};

// A window of n values that starts `offset` floats behind the start of a buffer.
template <typename T>
std::vector<T> window(const device::Buffer<T>& buffer, const Shape& s) {
  auto all = buffer.toHost();
  return std::vector<T>(all.begin() + s.offset, all.begin() + s.offset + s.n);
}

std::vector<bf16> rounded(const std::vector<float>& values) {
  std::vector<bf16> result;
  for (float v : values) result.push_back(fromFloat<bf16>(v));
  return result;
}

constexpr double RATE = 0.02, BETA1 = 0.9, BETA2 = 0.95, EPSILON = 1e-8, DECAY = 0.1, SCALE = 0.37;

optimizer::AdamWConstants adamWConstants(int step) {
  return {float(1 - RATE * DECAY), float(BETA1), float(1 - BETA1), float(BETA2), float(1 - BETA2),
          float(RATE / (1 - std::pow(BETA1, step))), float(1 / std::sqrt(1 - std::pow(BETA2, step))), float(EPSILON)};
}

// Three steps, the third after a gradient of zeros; the state starts random, as in a resumed run.
void checkAdamW(test::Check& check, bool copied) {
  for (const Shape& s : SHAPES) {
    size_t size = s.offset + s.n;
    RandomSegments segments(check, s.n);
    auto w = check.normal<float>(size), m = check.normal<float>(size, 0.1f), v = check.normal<float>(size, 0.1f);
    for (float& value : v) value = value * value;
    std::vector<double> rw(w.begin() + s.offset, w.end()), rm(m.begin() + s.offset, m.end()),
        rv(v.begin() + s.offset, v.end());
    device::Buffer<float> W(w), M(m), V(v), scale(std::vector<float>{float(SCALE)});
    device::Buffer<bf16> copy(size);
    device::Buffer<long long> ends(segments.ends);
    device::Buffer<int> decays(segments.decays);
    device::Buffer<float> rates(segments.rates);
    int count = int(segments.ends.size());
    for (int step = 1; step <= 3; step++) {
      auto g = check.normal<float>(size, step == 2 ? 0.0f : 1.0f);
      for (int i = 0; i < s.n; i++) {
        double gi = double(g[s.offset + i]) * SCALE;
        if (segments.decay(i)) rw[i] -= RATE * DECAY * rw[i];
        rm[i] = BETA1 * rm[i] + (1 - BETA1) * gi;
        rv[i] = BETA2 * rv[i] + (1 - BETA2) * gi * gi;
        rw[i] -= segments.rate(i) * RATE * (rm[i] / (1 - std::pow(BETA1, step))) /
                 (std::sqrt(rv[i] / (1 - std::pow(BETA2, step))) + EPSILON);
      }
      device::Buffer<float> G(g);
      device::Buffer<optimizer::AdamWConstants> constants(std::vector<optimizer::AdamWConstants>{adamWConstants(step)});
      copy.poison();
      int o = s.offset;
      if (copied)
        device::launch(adamw_bf16, s.blocks, s.threads, 0, constants, scale, G.data() + o, W.data() + o, M.data() + o,
                       V.data() + o, copy.data() + o, s.n, ends, decays, rates, count);
      else
        device::launch(adamw_f32, s.blocks, s.threads, 0, constants, scale, G.data() + o, W.data() + o, M.data() + o,
                       V.data() + o, s.n, ends, decays, rates, count);
      check.identical("gradient" + name(s), G.toHost(), g);
    }
    // A handful of roundings of each of three steps; w moves by up to 3·lr·3 and may end near 0.
    check.near("m" + name(s), window(M, s), rm, 1e-6, 1e-6);
    check.near("v" + name(s), window(V, s), rv, 1e-7, 1e-6);
    check.near("w" + name(s), window(W, s), rw, 2e-6, 2e-6);
    if (copied) check.identical("copy" + name(s), window(copy, s), rounded(window(W, s)));
  }
}

void checkSgd(test::Check& check, bool nesterov, bool copied) {
  const double momentum = 0.9;
  for (const Shape& s : SHAPES) {
    size_t size = s.offset + s.n;
    RandomSegments segments(check, s.n);
    auto w = check.normal<float>(size), v = check.normal<float>(size);
    std::vector<double> rw(w.begin() + s.offset, w.end()), rv(v.begin() + s.offset, v.end());
    device::Buffer<float> W(w), V(v), scale(std::vector<float>{float(SCALE)});
    device::Buffer<bf16> copy(size);
    device::Buffer<long long> ends(segments.ends);
    device::Buffer<int> decays(segments.decays);
    device::Buffer<float> rates(segments.rates);
    device::Buffer<optimizer::SgdConstants> constants(std::vector<optimizer::SgdConstants>{
        {float(RATE), float(momentum), float(DECAY), nesterov ? 1.0f : 0.0f, nesterov ? float(momentum) : 1.0f}});
    int count = int(segments.ends.size());
    for (int step = 0; step < 2; step++) {
      auto g = check.normal<float>(size);
      for (int i = 0; i < s.n; i++) {
        double gi = double(g[s.offset + i]) * SCALE + (segments.decay(i) ? DECAY * rw[i] : 0);
        rv[i] = momentum * rv[i] + gi;
        rw[i] -= segments.rate(i) * RATE * (nesterov ? gi + momentum * rv[i] : rv[i]);
      }
      device::Buffer<float> G(g);
      int o = s.offset;
      if (copied)
        device::launch(sgd_bf16, s.blocks, s.threads, 0, constants, scale, G.data() + o, W.data() + o, V.data() + o,
                       copy.data() + o, s.n, ends, decays, rates, count);
      else
        device::launch(sgd_f32, s.blocks, s.threads, 0, constants, scale, G.data() + o, W.data() + o, V.data() + o, s.n,
                       ends, decays, rates, count);
    }
    check.near("v" + name(s), window(V, s), rv, 1e-6, 1e-6);
    check.near("w" + name(s), window(W, s), rw, 1e-6, 1e-6);
    if (copied) check.identical("copy" + name(s), window(copy, s), rounded(window(W, s)));
  }
}

// Σ x² over the window, from the partials of s.blocks blocks.
template <typename T>
double squaresOf(test::Check& check, void (*kernel)(const T*, double*, long long), const std::vector<T>& x, const Shape& s) {
  device::Buffer<T> X(x);
  device::Buffer<double> partials(s.blocks), again(s.blocks);
  device::launch(kernel, s.blocks, s.threads, 0, X.data() + s.offset, partials, s.n);
  device::launch(kernel, s.blocks, s.threads, 0, X.data() + s.offset, again, s.n);
  check.identical("partials again" + name(s), again.toHost(), partials.toHost());
  double sum = 0;
  for (double share : partials.toHost()) sum += share;
  return sum;
}

// Squares of 24 bits are exact in double; each addition is rounded.
template <typename T>
void checkSquaredNorm(test::Check& check, void (*kernel)(const T*, double*, long long)) {
  for (const Shape& s : SHAPES) {
    auto x = check.normal<T>(s.offset + s.n);
    double expected = 0;
    for (int i = 0; i < s.n; i++) expected += double(toFloat(x[s.offset + i])) * toFloat(x[s.offset + i]);
    double actual = squaresOf(check, kernel, x, s);
    check.near("Σ x²" + name(s), std::vector<double>{actual}, std::vector<double>{expected}, 0, s.n * 0x1p-53);
  }
}

SPARROW_CHECK(optim, adamw_f32) { checkAdamW(check, false); }
SPARROW_CHECK(optim, adamw_bf16) { checkAdamW(check, true); }
SPARROW_CHECK(optim, sgd_f32) { checkSgd(check, false, false); }
SPARROW_CHECK(optim, sgd_nesterov_bf16) { checkSgd(check, true, true); }

SPARROW_CHECK(optim, squared_norm_of_f32) { checkSquaredNorm<float>(check, squared_norm_partials_f32); }
SPARROW_CHECK(optim, squared_norm_of_bf16) { checkSquaredNorm<bf16>(check, squared_norm_partials_bf16); }

SPARROW_CHECK(optim, squared_norm_of_large_values_and_of_nan) {
  Shape s = {100, 2, 32, 0};
  std::vector<float> x(s.n, 1e30f);
  double expected = s.n * double(1e30f) * double(1e30f);
  double actual = squaresOf(check, squared_norm_partials_f32, x, s);
  check.near("Σ x²", std::vector<double>{actual}, std::vector<double>{expected}, 0, 1e-14);
  x[57] = NAN;
  device::Buffer<float> X(x);
  device::Buffer<double> partials(1);
  device::launch(squared_norm_partials_f32, 1, s.threads, 0, X, partials, s.n);
  check.that(std::isnan(partials.toHost()[0]), "a gradient with NaN must give a norm that is NaN");
}

// The grid has no part in a result.
SPARROW_CHECK(optim, adamw_does_not_depend_on_the_grid) {
  int n = 5001;
  auto w = check.normal<float>(n), g = check.normal<float>(n);
  std::vector<float> results[2];
  for (int run = 0; run < 2; run++) {
    device::Buffer<float> W(w), G(g), M(std::vector<float>(n, 0.0f)), V(std::vector<float>(n, 0.0f)),
        scale(std::vector<float>{1.0f});
    device::Buffer<optimizer::AdamWConstants> constants(std::vector<optimizer::AdamWConstants>{adamWConstants(1)});
    device::Buffer<long long> ends(std::vector<long long>{2500, n});
    device::Buffer<int> decays(std::vector<int>{1, 0});
    device::Buffer<float> rates(std::vector<float>{1.0f, 1.5f});
    device::launch(adamw_f32, run == 0 ? 1 : 6, run == 0 ? 256 : 32, 0, constants, scale, G, W, M, V, n, ends, decays,
                   rates, 2);
    results[run] = W.toHost();
  }
  check.identical("w", results[1], results[0]);
}

}  // namespace
