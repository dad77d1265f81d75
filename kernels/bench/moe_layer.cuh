// A whole mixture-of-experts layer, forward and backward, launch by launch as gpu-core's DroplessMoe queues it with GatedExperts
// or PlainExperts, without jitter and shared layer: router, sort, the experts' products, of which those of plain experts apply
// the activation and its slope, weighted scatter, and all their backwards, the auxiliary losses' included.
//
//   out_t = Σ_j w_tj·expert_{e_tj}(x_t),  expert(x) = f(x·Upᵀ)·Downᵀ,  gated  (silu(x·Gateᵀ) ⊙ x·Upᵀ)·Downᵀ
//
// Experts read the tokens' rows by an index, or from a copy that is gathered first: the backend does what CHOSEN_ROWS says.
// The choices come from logits that were drawn for the wanted load; the router's product is computed all the same, into a
// buffer of its own.
#pragma once

#include "bench/expert_weight.cuh"
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
  ExpertWeight gate, up, down;          // gate: of no expert where the layer is not gated

  MoeLayer(const MoeShape& s, Load load)
      : shape(s), x(s.tokens * size_t(s.width)), dout(x.size()), out(x.size()), dx(x.size()),
        routerWeight(size_t(s.experts) * s.width, 0.02f), routerGradient(routerWeight.size()), experts(s.rows()),
        weights(s.rows()), offsets(s.experts + 1), gate(s.gated ? s.experts : 0, s.hidden, s.width, s.rows(), offsets),
        up(s.experts, s.hidden, s.width, s.rows(), offsets), down(s.experts, s.width, s.hidden, s.rows(), offsets),
        products_(s.tokens, s.width, s.experts), productLogits_(size_t(s.tokens) * s.experts),
        logits_(drawLogits(load, s.tokens, s.experts, s.topK, 3)), probabilities_(logits_.size()), dlogits_(logits_.size()),
        dprobabilities_(s.experts), dweights_(s.rows()), sort_(s.rows(), s.experts, s.topK), load_(s.experts),
        tokenOf_(s.rows()), rowOf_(s.rows()), rows_(s.rowElements()), y_(s.rowElements()), dy_(s.rowElements()),
        drows_(s.rowElements()), g_(s.gated ? s.hiddenElements() : 0), u_(s.hiddenElements()), a_(s.hiddenElements()),
        da_(s.hiddenElements()), dg_(g_.size()), du_(g_.size()) {}

  // Sets the parameters' gradients to zero, as before a step.
  void clearGradients() {
    device::fill(routerGradient.data(), 0, routerGradient.bytes());
    for (ExpertWeight* weight : {&gate, &up, &down}) weight->clearGradient();
  }

  // Leaves nothing of a pass that ran before.
  void poison() {
    for (device::Buffer<bf16>* b : {&out, &dx, &rows_, &y_, &dy_, &drows_, &g_, &u_, &a_, &da_, &dg_, &du_}) b->poison();
    clearGradients();
  }

  std::vector<Step> forward(Rows way) {
    std::vector<Step> steps = {{"router's product", [this] { products_.logits(x, routerWeight, productLogits_); }},
                               {"softmax, top-k", [this] { choose(); }},
                               {"sort", [this] { sort_(experts, offsets, load_, tokenOf_, rowOf_); }}};
    if (way == Rows::COPIED) steps.push_back({"gather", [this] { gather(); }});
    for (const Step& step : shape.gated ? gatedForward(input(way)) : plainForward(input(way))) steps.push_back(step);
    steps.push_back({"scatter", [this] { scatter(); }});
    return steps;
  }

  // After forward, and again as often as wanted: the backend puts the gradients of gate and up in their place; here they get
  // memory of their own, so that no pass starts from the last one's gradients.
  std::vector<Step> backward(Rows way) {
    std::vector<Step> steps = {{"scatter backward", [this] { scatterBackward(); }}};
    for (const Step& step : shape.gated ? gatedBackward(input(way)) : plainBackward(input(way))) steps.push_back(step);
    steps.push_back({"gather backward", [this] { gatherBackward(); }});
    steps.push_back({"softmax, top-k backward", [this] { chooseBackward(); }});
    steps.push_back({"router's weight gradient", [this] { products_.weightGradient(dlogits_, x, routerGradient); }});
    steps.push_back({"router's input gradient", [this] { products_.inputGradient(dlogits_, routerWeight, dx); }});
    return steps;
  }

 private:
  static constexpr int ROUTER_THREADS = 128;

  ExpertInput input(Rows way) const { return way == Rows::COPIED ? ExpertInput{rows_} : ExpertInput{x, tokenOf_}; }

  // h = x·Upᵀ, a = gelu(h), y = a·Downᵀ; u_ is h
  std::vector<Step> plainForward(const ExpertInput& from) const {
    return {{"up, activation", up.forward(from, a_, activated())}, {"down", down.forward({a_}, y_)}};
  }

  // dDown += dyᵀ·a, dh = dy·Down ⊙ gelu'(h), dUp += dhᵀ·x, dx = dh·Up; da_ is dh
  std::vector<Step> plainBackward(const ExpertInput& from) const {
    return {{"down, weight", down.backwardWeight(dy_, {a_})},
            {"down, input, activation", down.backwardInput(dy_, da_, false, activated())},
            {"up, weight", up.backwardWeight(da_, from)},
            {"up, input", up.backwardInput(da_, drows_)}};
  }

  Epilogue activated() const { return {nullptr, nullptr, u_, GEMM_GELU}; }

  // g = x·Gateᵀ, u = x·Upᵀ, a = silu(g) ⊙ u, y = a·Downᵀ
  std::vector<Step> gatedForward(const ExpertInput& from) const {
    long long n = (long long)a_.size();
    return {{"gate", gate.forward(from, g_)},
            {"up", up.forward(from, u_)},
            {"activation", [=] { overElements(gated_silu_bf16, n, g_, u_, a_, n); }},
            {"down", down.forward({a_}, y_)}};
  }

  // da = dy·Down, dg = da ⊙ u ⊙ silu'(g), du = da ⊙ silu(g), dx = dg·Gate + du·Up
  std::vector<Step> gatedBackward(const ExpertInput& from) const {
    long long n = (long long)a_.size();
    return {{"down, weight", down.backwardWeight(dy_, {a_})},
            {"down, input", down.backwardInput(dy_, da_)},
            {"activation backward", [=] { overElements(gated_silu_backward_bf16, n, g_, u_, da_, dg_, du_, n); }},
            {"gate, weight", gate.backwardWeight(dg_, from)},
            {"gate, input", gate.backwardInput(dg_, drows_)},
            {"up, weight", up.backwardWeight(du_, from)},
            {"up, input", up.backwardInput(du_, drows_, true)}};
  }

  int routerBlocks() const { return blocks(shape.tokens, ROUTER_THREADS / 32); }
  int rowBlocks(long long rows) const { return blocks(rows, THREADS / 32); }

  void choose() {
    auto kernel = shape.experts <= 64 ? moe_router_f32_e64 : shape.experts <= 256 ? moe_router_f32_e256 : moe_router_f32_e1024;
    const float* noBias = nullptr;
    device::enqueue(kernel, routerBlocks(), ROUTER_THREADS, 0, logits_, noBias, 1.0f, probabilities_, weights, experts,
                    shape.tokens, shape.experts, shape.topK);
  }

  void gather() {
    device::enqueue(moe_gather_bf16, rowBlocks(shape.rows()), THREADS, 0, x, rowOf_, rows_, shape.rows(), shape.topK, shape.width);
  }

  void scatter() {
    device::enqueue(moe_scatter_bf16, rowBlocks(shape.tokens), THREADS, 0, y_, rowOf_, weights, 0, out, shape.tokens, shape.topK,
                    shape.width);
  }

  void scatterBackward() {
    device::enqueue(moe_scatter_backward_bf16, rowBlocks(shape.rows()), THREADS, 0, dout, y_, rowOf_, weights, dy_, dweights_,
                    shape.rows(), shape.topK, shape.width);
  }

  void gatherBackward() {
    device::enqueue(moe_gather_backward_bf16, rowBlocks(shape.tokens), THREADS, 0, drows_, rowOf_, 0, dx, shape.tokens, shape.topK,
                    shape.width);
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

  RouterProducts products_;
  device::Buffer<float> productLogits_, logits_, probabilities_, dlogits_, dprobabilities_, dweights_;
  AssignmentSort sort_;
  device::Buffer<int> load_, tokenOf_, rowOf_;
  device::Buffer<bf16> rows_, y_, dy_, drows_;  // (P, width)
  device::Buffer<bf16> g_, u_, a_, da_, dg_, du_;  // (P, hidden)
};

}  // namespace bench
