// Checks of moe/router.cu against double arithmetic; gradients against central differences.
#include "moe/router.cu"

#include <algorithm>
#include <numeric>

#include "common/launch.cuh"
#include "test/check.h"

namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Ints = std::vector<int>;

struct Case { int tokens, experts, k; float normalization; int threads, blocks; };

// One expert, all experts chosen, around a warp and around each entry's limit; fewer warps than tokens and more.
const Case CASES[] = {{1, 1, 1, 1, 32, 1},    {5, 3, 3, 2, 32, 2},     {17, 8, 8, 1, 64, 1},    {9, 31, 4, 0, 128, 1},
                      {9, 32, 2, 1, 32, 4},   {7, 33, 5, 3, 64, 2},    {33, 64, 2, 1, 128, 3},  {6, 65, 6, 2, 32, 6},
                      {4, 160, 6, 0, 64, 1},  {3, 255, 7, 1, 32, 1},   {3, 256, 8, 0.5, 64, 9}, {3, 257, 8, 1, 32, 2},
                      {2, 1000, 3, 3, 64, 1}, {2, 1023, 2, 1, 128, 1}, {3, 1024, 8, 2, 32, 1}};

std::string describe(const Case& c) {
  return " (T " + std::to_string(c.tokens) + ", E " + std::to_string(c.experts) + ", k " + std::to_string(c.k) +
         ", norm " + std::to_string(c.normalization) + ")";
}

struct Routed {
  Floats probabilities, weights;
  Ints experts;
};

// bias null: none.
Routed route(const Case& c, const Floats& logits, const Floats* bias) {
  device::Buffer<float> x(logits), b(bias ? *bias : Floats{}), p(logits.size()), w(size_t(c.tokens) * c.k);
  device::Buffer<int> e(w.size());
  auto entry = c.experts <= 64 ? moe_router_f32_e64 : c.experts <= 256 ? moe_router_f32_e256 : moe_router_f32_e1024;
  const float* biasOrNull = bias ? b.data() : nullptr;
  device::launch(entry, c.blocks, c.threads, 0, x, biasOrNull, c.normalization, p, w, e, c.tokens, c.experts, c.k);
  return {p.toHost(), w.toHost(), e.toHost()};
}

Floats routeBackward(const Case& c, const Floats& logits, const Routed& routed, const Floats& dweights,
                     const Floats* dprobabilities, float zLossScale) {
  device::Buffer<float> dw(dweights), w(routed.weights), p(routed.probabilities),
      dp(dprobabilities ? *dprobabilities : Floats{}), x(logits), dx(logits.size());
  device::Buffer<int> e(routed.experts);
  auto entry = c.experts <= 64    ? moe_router_backward_f32_e64
               : c.experts <= 256 ? moe_router_backward_f32_e256
                                  : moe_router_backward_f32_e1024;
  const float* dpOrNull = dprobabilities ? dp.data() : nullptr;
  device::launch(entry, c.blocks, c.threads, 0, dw, e, w, c.normalization, p, dpOrNull, zLossScale, x, dx, c.tokens,
                 c.experts, c.k);
  return dx.toHost();
}

double logSumExp(const Doubles& row) {
  double top = *std::max_element(row.begin(), row.end()), sum = 0;
  for (double v : row) sum += std::exp(v - top);
  return top + std::log(sum);
}

Doubles rowOf(const Floats& logits, const Case& c, int t) {
  return Doubles(logits.begin() + size_t(t) * c.experts, logits.begin() + size_t(t + 1) * c.experts);
}

// Token weights with the choice given.
Doubles weightsOf(const Doubles& row, const int* chosen, const Case& c) {
  double lse = logSumExp(row), sum = 0;
  Doubles q(c.k);
  for (int j = 0; j < c.k; j++) {
    q[j] = std::exp(row[chosen[j]] - lse);
    sum += std::pow(q[j], double(c.normalization));
  }
  for (double& v : q) v /= c.normalization == 0 ? 1 : std::pow(sum, 1.0 / c.normalization);
  return q;
}

// The choice from the fp32 scores at hand, so that two scores a rounding apart are no dispute.
Ints choiceOf(const Routed& routed, const Floats* bias, const Case& c) {
  Ints choice;
  for (int t = 0; t < c.tokens; t++) {
    auto score = [&](int e) {
      float s = routed.probabilities[size_t(t) * c.experts + e] + (bias ? (*bias)[e] : 0.0f);
      return std::isnan(s) ? -INFINITY : s;
    };
    Ints order(c.experts);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return score(a) > score(b); });
    choice.insert(choice.end(), order.begin(), order.begin() + c.k);
  }
  return choice;
}

// Probabilities are one exponential over a fixed-order sum: 1e-5 relative; logits of magnitude m carry m·2^-24 each.
void checkForward(test::Check& check, const Case& c, const Floats& logits, const Floats* bias) {
  Routed actual = route(c, logits, bias);
  check.equal("experts" + describe(c), actual.experts, choiceOf(actual, bias, c));
  Doubles probabilities, weights;
  for (int t = 0; t < c.tokens; t++) {
    Doubles row = rowOf(logits, c, t), w = weightsOf(row, &actual.experts[size_t(t) * c.k], c);
    double lse = logSumExp(row);
    for (double v : row) probabilities.push_back(std::exp(v - lse));
    weights.insert(weights.end(), w.begin(), w.end());
  }
  check.near("probabilities" + describe(c), actual.probabilities, probabilities, 1e-37, 1e-5);
  check.near("weights" + describe(c), actual.weights, weights, 1e-37, 2e-5);
  Routed again = route(c, logits, bias);
  check.identical("probabilities again" + describe(c), again.probabilities, actual.probabilities);
  check.identical("weights again" + describe(c), again.weights, actual.weights);
  check.identical("experts again" + describe(c), again.experts, actual.experts);
}

SPARROW_CHECK(moe_router, softmax_and_choice_equal_the_reference) {
  for (const Case& c : CASES) checkForward(check, c, check.normal<float>(size_t(c.tokens) * c.experts, 2.0f), nullptr);
}
SPARROW_CHECK(moe_router, bias_directs_the_choice_alone) {
  for (const Case& c : CASES) {
    auto bias = check.normal<float>(c.experts);
    checkForward(check, c, check.normal<float>(size_t(c.tokens) * c.experts, 2.0f), &bias);
  }
}
SPARROW_CHECK(moe_router, ties_go_to_the_lower_expert) {
  for (const Case& c : CASES) {
    Routed actual = route(c, Floats(size_t(c.tokens) * c.experts, 2.0f), nullptr);
    for (int a = 0; a < c.tokens * c.k; a++)
      if (actual.experts[a] != a % c.k) return check.fail("choice " + std::to_string(a) + describe(c));
  }
}
SPARROW_CHECK(moe_router, ties_among_few_levels_go_to_the_lower_expert) {
  for (const Case& c : CASES) {
    Floats logits(size_t(c.tokens) * c.experts);
    for (float& v : logits) v = float(check.integer(0, 3));
    checkForward(check, c, logits, nullptr);
  }
}
SPARROW_CHECK(moe_router, large_logits_do_not_overflow) {
  for (const Case& c : CASES) {
    Floats logits(size_t(c.tokens) * c.experts);
    for (float& v : logits) v = float(check.integer(-1000, 1000));
    Routed actual = route(c, logits, nullptr);
    for (int t = 0; t < c.tokens; t++) {
      double sum = 0;
      for (int e = 0; e < c.experts; e++) sum += actual.probabilities[size_t(t) * c.experts + e];
      check.that(std::fabs(sum - 1) < 1e-5, "probabilities add up to " + std::to_string(sum) + describe(c));
    }
    for (float w : actual.weights) check.that(w >= 0 && w <= 1.00001f, "weight " + std::to_string(w) + describe(c));
  }
}
SPARROW_CHECK(moe_router, chosen_probabilities_of_0_weigh_0) {
  for (float normalization : {0.0f, 1.0f, 2.0f, 3.0f}) {
    Case c{3, 40, 2, normalization, 32, 1};
    Floats logits(size_t(c.tokens) * c.experts), bias(c.experts);
    for (int t = 0; t < c.tokens; t++) logits[size_t(t) * c.experts + 7] = 500;
    bias[35] = bias[4] = 9;
    Routed actual = route(c, logits, &bias);
    check.equal("experts", actual.experts, {4, 35, 4, 35, 4, 35});
    check.equal("weights", actual.weights, Floats(6));
    for (float v : routeBackward(c, logits, actual, Floats(6, 1.0f), nullptr, 0.0f))
      check.that(v == 0, "dlogits: got " + std::to_string(v));
  }
}
// The cube of 1e-20 is no fp32 number; the norm of such weights is.
SPARROW_CHECK(moe_router, weights_of_small_probabilities_are_normalised) {
  for (float normalization : {1.0f, 2.0f, 3.0f}) {
    Case c{1, 70, 3, normalization, 32, 1};
    Floats logits = check.normal<float>(c.experts), bias(c.experts);
    logits[50] = 47;
    bias[3] = bias[33] = bias[69] = 5;
    checkForward(check, c, logits, &bias);
  }
}
SPARROW_CHECK(moe_router, nan_still_chooses_different_experts) {
  Case c{2, 100, 8, 1, 32, 1};
  auto logits = check.normal<float>(200);
  logits[42] = NAN;  // token 0
  Routed actual = route(c, logits, nullptr);
  check.equal("experts", actual.experts, choiceOf(actual, nullptr, c));
  check.that(std::isnan(actual.weights[0]) && std::isnan(actual.probabilities[0]), "token 0 is not NaN");
  Floats bias(c.experts);
  bias[0] = bias[99] = NAN;  // the smallest scores, chosen last
  check.equal("experts past a NaN bias", route(c, Floats(200), &bias).experts,
              {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8});
  check.that(!std::isnan(actual.weights[8]) && !std::isnan(actual.probabilities[100]), "token 1 is NaN");
}
SPARROW_CHECK(moe_router, relabelled_experts_are_chosen_by_their_new_names) {
  Case c{8, 90, 4, 1, 64, 1};
  Ints name(c.experts);
  std::iota(name.begin(), name.end(), 0);
  std::shuffle(name.begin(), name.end(), check.random);
  auto logits = check.normal<float>(size_t(c.tokens) * c.experts), relabelled = logits;
  for (int t = 0; t < c.tokens; t++)
    for (int e = 0; e < c.experts; e++) relabelled[size_t(t) * c.experts + name[e]] = logits[size_t(t) * c.experts + e];
  Routed before = route(c, logits, nullptr), after = route(c, relabelled, nullptr);
  for (int& e : before.experts) e = name[e];
  check.equal("experts", after.experts, before.experts);
  check.near("weights", after.weights, before.weights, 0, 1e-6);
}

// Σ_j dw_j·w_j + Σ_e dp_e·p_e + zLossScale·logsumexp² of one token with its choice fixed.
double lossOf(const Doubles& row, const int* chosen, const float* dweights, const Floats* dprobabilities,
              double zLossScale, const Case& c) {
  Doubles w = weightsOf(row, chosen, c);
  double lse = logSumExp(row), loss = zLossScale * lse * lse;
  for (int j = 0; j < c.k; j++) loss += dweights[j] * w[j];
  for (int e = 0; e < c.experts && dprobabilities; e++) loss += (*dprobabilities)[e] * std::exp(row[e] - lse);
  return loss;
}

// Central differences are off by the step squared, 1e-8, and by 1e-12; the kernel by the roundings of terms of about 1.
void checkBackward(test::Check& check, bool biased, bool balanced, float zLossScale) {
  constexpr double STEP = 1e-4;
  for (const Case& c : CASES) {
    auto logits = check.normal<float>(size_t(c.tokens) * c.experts, 2.0f), dweights = check.normal<float>(c.tokens * c.k),
         bias = check.normal<float>(c.experts, 0.1f), dprobabilities = check.normal<float>(c.experts);
    Routed routed = route(c, logits, biased ? &bias : nullptr);
    const Floats* dp = balanced ? &dprobabilities : nullptr;
    Doubles expected;
    for (int t = 0; t < c.tokens; t++) {
      Doubles row = rowOf(logits, c, t);
      for (int e = 0; e < c.experts; e++) {
        double side[2], here = row[e];
        for (int s : {0, 1}) {
          row[e] = here + (s ? STEP : -STEP);
          side[s] = lossOf(row, &routed.experts[size_t(t) * c.k], &dweights[size_t(t) * c.k], dp, zLossScale, c);
        }
        row[e] = here;
        expected.push_back((side[1] - side[0]) / (2 * STEP));
      }
    }
    auto actual = routeBackward(c, logits, routed, dweights, dp, zLossScale);
    check.near("dlogits" + describe(c), actual, expected, 4e-6, 2e-5);
    check.identical("dlogits again" + describe(c), routeBackward(c, logits, routed, dweights, dp, zLossScale), actual);
  }
}

SPARROW_CHECK(moe_router, gradient_of_the_weights_equals_central_differences) { checkBackward(check, false, false, 0); }
SPARROW_CHECK(moe_router, gradient_of_a_biased_choice_equals_central_differences) { checkBackward(check, true, false, 0); }
SPARROW_CHECK(moe_router, gradient_of_the_balance_loss_equals_central_differences) { checkBackward(check, false, true, 0); }
SPARROW_CHECK(moe_router, gradient_of_the_z_loss_equals_central_differences) { checkBackward(check, false, true, 0.1f); }

}  // namespace
