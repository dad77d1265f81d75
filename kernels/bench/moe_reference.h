// A mixture-of-experts layer in double on the host, token by token, against which a benchmark's layer is checked where it is
// small. The choices and their weights are the layer's own.
#pragma once

#include <cmath>
#include <vector>

#include "bench/moe_layer.cuh"

namespace bench {

class MoeReference {
 public:
  std::vector<double> out, dx;  // (T, width); dx without the router's share
  std::vector<double> dUp;      // (E, hidden, width)
  std::vector<double> dDown;    // (E, width, hidden)

  explicit MoeReference(const MoeLayer& layer)
      : out(layer.x.size(), 0.0), dx(layer.x.size(), 0.0), dUp(layer.shape.weightElements(), 0.0), dDown(dUp.size(), 0.0),
        s_(layer.shape), x_(toDouble(layer.x)), dout_(toDouble(layer.dout)), gate_(toDouble(layer.gate.value)),
        up_(toDouble(layer.up.value)), down_(toDouble(layer.down.value)) {
    auto experts = layer.experts.toHost();
    auto weights = layer.weights.toHost();
    for (int t = 0; t < s_.tokens; t++)
      for (int j = 0; j < s_.topK; j++) add(t, experts[t * s_.topK + j], weights[t * s_.topK + j]);
  }

 private:
  using Vector = std::vector<double>;

  template <typename T>
  static Vector toDouble(const device::Buffer<T>& buffer) {
    Vector values;
    for (T v : buffer.toHost()) values.push_back(toFloat(v));
    return values;
  }

  // f and f' of the expert's nonlinearity, as nn/activation.cu has them.
  void nonlinearity(double v, double& value, double& slope) const {
    if (s_.gated) {
      double sigmoid = 1 / (1 + std::exp(-v));
      value = v * sigmoid;
      slope = sigmoid + value * (1 - sigmoid);
    } else {
      double cdf = 0.5 * std::erfc(-v / std::sqrt(2.0));
      value = v * cdf;
      slope = cdf + v * std::exp(-v * v / 2) / std::sqrt(2 * M_PI);
    }
  }

  // One choice of a token: its share of out, and of the gradients.
  void add(int t, int expert, double weight) {
    const double *x = &x_[size_t(t) * s_.width], *dy = &dout_[size_t(t) * s_.width];
    for (int h = 0; h < s_.hidden; h++) {
      size_t row = (size_t(expert) * s_.hidden + h) * s_.width;
      double gate = 0, up = 0, da = 0;
      for (int i = 0; i < s_.width; i++) {
        if (s_.gated) gate += x[i] * gate_[row + i];
        up += x[i] * up_[row + i];
        da += weight * dy[i] * downAt(expert, i, h);
      }
      double value, slope;
      nonlinearity(s_.gated ? gate : up, value, slope);
      double a = s_.gated ? value * up : value, dup = s_.gated ? da * value : da * slope, dgate = s_.gated ? da * up * slope : 0;
      for (int i = 0; i < s_.width; i++) {
        out[size_t(t) * s_.width + i] += weight * a * downAt(expert, i, h);
        dx[size_t(t) * s_.width + i] += dup * up_[row + i] + (s_.gated ? dgate * gate_[row + i] : 0);
        dUp[row + i] += dup * x[i];
        dDown[(size_t(expert) * s_.width + i) * s_.hidden + h] += weight * dy[i] * a;
      }
    }
  }

  double downAt(int expert, int i, int h) const { return down_[(size_t(expert) * s_.width + i) * s_.hidden + h]; }

  MoeShape s_;
  Vector x_, dout_, gate_, up_, down_;
};

}  // namespace bench
