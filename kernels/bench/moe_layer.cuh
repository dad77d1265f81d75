// A whole mixture-of-experts layer, forward and backward, launch by launch as gpu-core's DroplessMoe queues it: router, sort,
// gather, the experts' products and activation, weighted scatter, and all their backwards, the auxiliary losses' included.
//
//   out_t = Σ_j w_tj·expert_{e_tj}(x_t),  expert(x) = f(x·Upᵀ)·Downᵀ,  gated  (silu(x·Gateᵀ) ⊙ x·Upᵀ)·Downᵀ
//
// The choices come from logits that were drawn for the wanted load; the router's product is computed all the same, into a
// buffer of its own.
#pragma once

#include "bench/gemm.cuh"
#include "bench/load.h"
#include "bench/router_products.cuh"
#include "bench/sort.cuh"
#include "bench/stopwatch.h"
#include "moe/permute.cu"
#include "moe/router.cu"
#include "nn/activation.cu"

namespace bench {

struct MoeShape {
  int tokens, width, hidden, experts, topK;
  bool gated;

  int rows() const { return tokens * topK; }
  size_t rowElements() const { return size_t(rows()) * width; }
  size_t hiddenElements() const { return size_t(rows()) * hidden; }
  size_t weightElements() const { return size_t(experts) * hidden * width; }
  // Of the experts' products alone; backward does twice as many.
  double forwardFlops() const { return (gated ? 6.0 : 4.0) * rows() * hidden * width; }
  std::string name() const {
    return "T" + std::to_string(tokens) + " d" + std::to_string(width) + " n" + std::to_string(hidden) + " E" +
           std::to_string(experts) + " k" + std::to_string(topK);
  }
};

// A named part of a pass.
struct Step {
  std::string name;
  Body queue;
};

// One of an expert's matrices (E, out, in), its gradient, and its products over the sorted rows.
class ExpertWeight {
 public:
  device::Buffer<float> gradient;
  Normal<bf16> value;

  ExpertWeight(const MoeShape& s, int out, int in, const int* offsets)
      : gradient(s.weightElements()), value(s.weightElements(), 1 / std::sqrt(float(in))), rows_(s.rows()), experts_(s.experts),
        out_(out), in_(in), offsets_(offsets) {
    clear();
  }

  void clear() { device::fill(gradient.data(), 0, gradient.bytes()); }

  Body forward(const bf16* x, bf16* y) const { return launch(NT, rows_, out_, in_, x, value, y, false); }
  Body backwardInput(const bf16* dy, bf16* dx, bool accumulate = false) const {
    return launch(NN, rows_, in_, out_, dy, value, dx, accumulate);
  }
  Body backwardWeight(const bf16* x, const bf16* dy) const { return launch(TN, out_, in_, rows_, dy, x, gradient, true); }

 private:
  Body launch(Form form, int m, int n, int k, const bf16* a, const bf16* b, void* c, bool accumulate) const {
    Product p = {form, m, n, k, a, b, c, experts_, offsets_, accumulate};
    return GemmLaunch(p);
  }

  int rows_, experts_, out_, in_;
  const int* offsets_;
};

class MoeLayer {
 public:
  const MoeShape shape;
  Normal<bf16> x, dout;                 // (T, width)
  device::Buffer<bf16> out, dx;         // (T, width)
  Normal<float> routerWeight;           // (E, width)
  Zeros<float> routerGradient;          // (E, width)
  device::Buffer<int> experts;          // (T, k)
  device::Buffer<float> weights;        // (T, k)
  device::Buffer<int> offsets;          // (E + 1)
  ExpertWeight gate, up, down;

  MoeLayer(const MoeShape& s, Load load)
      : shape(s), x(s.tokens * size_t(s.width)), dout(x.size()), out(x.size()), dx(x.size()),
        routerWeight(size_t(s.experts) * s.width, 0.02f), routerGradient(routerWeight.size()), experts(s.rows()),
        weights(s.rows()), offsets(s.experts + 1), gate(gateShape(s), s.hidden, s.width, offsets),
        up(s, s.hidden, s.width, offsets), down(s, s.width, s.hidden, offsets), products_(s.tokens, s.width, s.experts),
        productLogits_(size_t(s.tokens) * s.experts), logits_(drawLogits(load, s.tokens, s.experts, s.topK, 3)),
        probabilities_(logits_.size()), dlogits_(logits_.size()), dprobabilities_(s.experts), dweights_(s.rows()),
        sort_(s.rows(), s.experts), load_(s.experts), sorted_(s.rows()), inverse_(s.rows()), rows_(s.rowElements()),
        y_(s.rowElements()), dy_(s.rowElements()), drows_(s.rowElements()), g_(s.gated ? s.hiddenElements() : 0),
        u_(s.hiddenElements()), a_(s.hiddenElements()), da_(s.hiddenElements()), dg_(g_.size()), du_(s.gated ? u_.size() : 0) {}

  // Sets the parameters' gradients to zero, as before a step.
  void clearGradients() {
    device::fill(routerGradient.data(), 0, routerGradient.bytes());
    for (ExpertWeight* weight : {&gate, &up, &down}) weight->clear();
  }

  std::vector<Step> forward() {
    std::vector<Step> steps = {{"router's product", [this] { products_.logits(x, routerWeight, productLogits_); }},
                               {"softmax, top-k", [this] { choose(); }},
                               {"sort", [this] { sort_(experts, offsets, load_, sorted_); }},
                               {"gather", [this] { gather(); }}};
    if (shape.gated) steps.push_back({"gate, up", both(gate.forward(rows_, g_), up.forward(rows_, u_))});
    else steps.push_back({"up", up.forward(rows_, u_)});
    steps.push_back({"activation", [this] { activate(); }});
    steps.push_back({"down", down.forward(a_, y_)});
    steps.push_back({"scatter", [this] { scatter(); }});
    return steps;
  }

  // After forward, and again as often as wanted: the backend puts the gradients of gate and up in their place; here they get
  // memory of their own, so that no pass starts from the last one's gradients.
  std::vector<Step> backward() {
    std::vector<Step> steps = {{"scatter backward", [this] { scatterBackward(); }},
                               {"down, weight", down.backwardWeight(a_, dy_)},
                               {"down, input", down.backwardInput(dy_, da_)},
                               {"activation backward", [this] { activateBackward(); }}};
    if (shape.gated) {
      steps.push_back({"gate, up, weight", both(gate.backwardWeight(rows_, dg_), up.backwardWeight(rows_, du_))});
      steps.push_back({"gate, up, input", both(gate.backwardInput(dg_, drows_), up.backwardInput(du_, drows_, true))});
    } else {
      steps.push_back({"up, weight", up.backwardWeight(rows_, da_)});
      steps.push_back({"up, input", up.backwardInput(da_, drows_)});
    }
    steps.push_back({"gather backward", [this] { gatherBackward(); }});
    steps.push_back({"softmax, top-k backward", [this] { chooseBackward(); }});
    steps.push_back({"router's products", [this] { routerBackward(); }});
    return steps;
  }

 private:
  static constexpr int ROUTER_THREADS = 128;

  // Without gates no memory is taken for one.
  static MoeShape gateShape(MoeShape s) {
    if (!s.gated) s.experts = 0;
    return s;
  }

  static Body both(const Body& first, const Body& second) { return [=] { first(), second(); }; }

  int routerBlocks() const { return blocks(shape.tokens, ROUTER_THREADS / 32); }
  int rowBlocks(long long rows) const { return blocks(rows, THREADS / 32); }

  void choose() {
    auto kernel = shape.experts <= 64 ? moe_router_f32_e64 : shape.experts <= 256 ? moe_router_f32_e256 : moe_router_f32_e1024;
    const float* noBias = nullptr;
    device::enqueue(kernel, routerBlocks(), ROUTER_THREADS, 0, logits_, noBias, 1.0f, probabilities_, weights, experts,
                    shape.tokens, shape.experts, shape.topK);
  }

  void gather() {
    device::enqueue(moe_gather_bf16, rowBlocks(shape.rows()), THREADS, 0, x, sorted_, offsets, shape.experts, shape.topK, rows_,
                    shape.width);
  }

  void activate() {
    long long n = (long long)u_.size();
    if (shape.gated) overElements(gated_silu_bf16, n, g_, u_, a_, n);
    else overElements(gelu_bf16, n, u_, a_, n);
  }

  // What combines rows of a token finds them by the inverse of the sort.
  void invert() {
    device::enqueue(moe_invert_i32, blocks(shape.rows(), THREADS), THREADS, 0, sorted_, offsets, shape.experts, inverse_,
                    shape.rows());
  }

  void scatter() {
    invert();
    device::enqueue(moe_scatter_bf16, rowBlocks(shape.tokens), THREADS, 0, y_, inverse_, weights, 0, out, shape.tokens, shape.topK,
                    shape.width);
  }

  void scatterBackward() {
    device::enqueue(moe_scatter_backward_bf16, rowBlocks(shape.rows()), THREADS, 0, dout, y_, sorted_, offsets, shape.experts,
                    shape.topK, weights, dy_, dweights_, shape.rows(), shape.width);
  }

  void activateBackward() {
    long long n = (long long)u_.size();
    if (shape.gated) overElements(gated_silu_backward_bf16, n, g_, u_, da_, dg_, du_, n);
    else overElements(gelu_backward_bf16, n, u_, da_, da_, n);
  }

  void gatherBackward() {
    invert();
    device::enqueue(moe_gather_backward_bf16, rowBlocks(shape.tokens), THREADS, 0, drows_, inverse_, 0, dx, shape.tokens,
                    shape.topK, shape.width);
  }

  void chooseBackward() {
    float balancing = 0.01f * shape.experts / (float(shape.rows()) * shape.tokens), zLoss = 1e-3f / shape.tokens;
    device::enqueue(moe_load_balancing_gradient_f32, 1, THREADS, 0, load_, balancing, dprobabilities_, shape.experts);
    auto kernel = shape.experts <= 64    ? moe_router_backward_f32_e64
                  : shape.experts <= 256 ? moe_router_backward_f32_e256
                                         : moe_router_backward_f32_e1024;
    device::enqueue(kernel, routerBlocks(), ROUTER_THREADS, 0, dweights_, experts, weights, 1.0f, probabilities_, dprobabilities_,
                    zLoss, logits_, dlogits_, shape.tokens, shape.experts, shape.topK);
  }

  void routerBackward() {
    products_.weightGradient(dlogits_, x, routerGradient);
    products_.inputGradient(dx);
  }

  RouterProducts products_;
  device::Buffer<float> productLogits_, logits_, probabilities_, dlogits_, dprobabilities_, dweights_;
  AssignmentSort sort_;
  device::Buffer<int> load_, sorted_, inverse_;
  device::Buffer<bf16> rows_, y_, dy_, drows_;  // (P, width)
  device::Buffer<bf16> g_, u_, a_, da_, dg_, du_;  // (P, hidden)
};

}  // namespace bench
