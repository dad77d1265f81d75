// One of the experts' matrices, its gradient, and its products over the sorted rows, as gpu-core's DenseGroupedWeight queues
// them.
#pragma once

#include "bench/gemm.cuh"

namespace bench {

// Of an x (P, in), or of one that is read by an index: rows (P) then tells the row of each.
struct ExpertInput {
  const bf16* x;
  const int* rows = nullptr;
};

class ExpertWeight {
 public:
  Normal<bf16> value;     // (E, out, in)
  Zeros<float> gradient;  // (E, out, in)

  // offsets (E + 1), of rows in all
  ExpertWeight(int experts, int out, int in, int rows, const int* offsets)
      : value(size_t(experts) * out * in, 1 / std::sqrt(float(in))), gradient(value.size()), rows_(rows), experts_(experts),
        out_(out), in_(in), offsets_(offsets) {}

  void clearGradient() { device::fill(gradient.data(), 0, gradient.bytes()); }

  Body forward(const ExpertInput& from, bf16* y, const Epilogue& epilogue = {}) const {
    Product p = {NT, rows_, out_, in_, from.x, value, y};
    p.rows = from.rows;
    p.epilogue = epilogue;
    return queued(p);
  }
  Body backwardWeight(const bf16* dy, const ExpertInput& from) const {
    Product p = {TN, out_, in_, rows_, dy, from.x, gradient.data()};
    p.rows = from.rows;
    p.accumulate = true;
    return queued(p);
  }
  Body backwardInput(const bf16* dy, bf16* dx, bool accumulate = false, const Epilogue& epilogue = {}) const {
    Product p = {NN, rows_, in_, out_, dy, value, dx};
    p.accumulate = accumulate;
    p.epilogue = epilogue;
    return queued(p);
  }

 private:
  Body queued(Product p) const {
    p.groups = experts_;
    p.offsets = offsets_;
    return GemmLaunch(p);
  }

  int rows_, experts_, out_, in_;
  const int* offsets_;
};

}  // namespace bench
