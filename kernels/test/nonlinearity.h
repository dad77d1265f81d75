// The nonlinearities of common/activation.cuh in double arithmetic.
#pragma once

#include <cmath>

namespace nonlinearity {

struct Value { double value, slope; };

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

inline Value gelu(double x) {
  double cdf = 0.5 * std::erfc(-x / std::sqrt(2.0));
  return {x * cdf, cdf + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI)};
}
inline Value geluTanh(double x) {
  double a = std::sqrt(2 / M_PI), t = std::tanh(a * (x + 0.044715 * x * x * x));
  return {0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * a * (1 + 3 * 0.044715 * x * x)};
}
inline Value silu(double x) { return {x * sigmoid(x), sigmoid(x) * (1 + x * (1 - sigmoid(x)))}; }
inline Value relu(double x) { return {x > 0 ? x : 0, x > 0 ? 1.0 : 0.0}; }

}  // namespace nonlinearity
