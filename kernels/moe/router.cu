// The router of a mixture of experts: softmax over E experts and the k largest of it, all in fp32 (Gale et al. 2022, §5).
//
//   p_te = softmax(logits_t)_e
//   experts_t: the k largest of p_te + bias_e, largest first, ties to the lower expert; bias (E) directs the choice alone
//     (loss-free balancing, Wang et al. 2024) and may be null. NaN counts as the smallest, so that a token's experts differ.
//   weights_tj = p_te / N, N = (Σ_j q_j^r)^(1/r) over the chosen q_j = p_te; r = normalization, 0: N = 1. They are 0 where
//     every chosen probability is 0.
// Backward, the choice held fixed:
//   dq_j = (dw_j - Σ_i dw_i·w_i · w_j^(r-1)) / N, or dw_j for r = 0
//   dp_e = dprobabilities_e + dq_j where e is the j-th choice; dprobabilities (E), the load-balancing loss, may be null
//   dlogits_e = p_e·(dp_e - Σ p·dp + 2·zLossScale·logsumexp(logits_t)); the last term is that of the z-loss
//
// logits, probabilities, dlogits (T, E); weights, dweights (T, k) are fp32, experts (T, k) int32. 1 <= k <= min(E, 32).
//
// Launch contract: one-dimensional grid and block, the block a multiple of 32 and at most 128; each warp takes tokens in
// strides of the grid's warps and holds a row in registers, lane l the experts l, l + 32, ... The entries _e64, _e256 and
// _e1024 are for E up to that number.
#include <climits>

#include "common/reduce.cuh"
#include "common/types.cuh"

namespace moerouter {

constexpr unsigned ALL_LANES = 0xffffffffu;

// An expert that may be chosen; the lane that holds none has NONE.
struct Candidate {
  float score;
  int expert;
};
constexpr int NONE = INT_MAX;

// The better one; equal scores go to the lower expert.
__device__ __forceinline__ bool isBetter(float score, int expert, Candidate than) {
  return score > than.score || (score == than.score && expert < than.expert);
}

__device__ __forceinline__ Candidate warpBest(Candidate best) {
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    float score = __shfl_xor_sync(ALL_LANES, best.score, lanes);
    int expert = __shfl_xor_sync(ALL_LANES, best.expert, lanes);
    if (isBetter(score, expert, best)) best = {score, expert};
  }
  return best;
}

template <int PER_LANE>
__device__ __forceinline__ void loadRow(const float* row, int expertCount, float absent, float (&v)[PER_LANE]) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < PER_LANE; i++) v[i] = lane + 32 * i < expertCount ? row[lane + 32 * i] : absent;
}

template <int PER_LANE>
__device__ __forceinline__ void storeRow(float* row, int expertCount, const float (&v)[PER_LANE]) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < PER_LANE; i++)
    if (lane + 32 * i < expertCount) row[lane + 32 * i] = v[i];
}

template <int PER_LANE>
__device__ __forceinline__ float rowMax(const float (&v)[PER_LANE]) {
  float top = v[0];
#pragma unroll
  for (int i = 1; i < PER_LANE; i++) top = fmaxf(top, v[i]);
  return warpMax(top);
}

// In place; absent experts are -infinity before and 0 after. A NaN makes the whole row NaN.
template <int PER_LANE>
__device__ __forceinline__ void softmax(int expertCount, float (&v)[PER_LANE]) {
  int lane = threadIdx.x % 32;
  float top = rowMax(v), sum = 0;
#pragma unroll
  for (int i = 0; i < PER_LANE; i++) {
    v[i] = lane + 32 * i < expertCount ? expf(v[i] - top) : 0.0f;
    sum += v[i];
  }
  float inverse = 1.0f / warpSum(sum);
#pragma unroll
  for (int i = 0; i < PER_LANE; i++) v[i] *= inverse;
}

// The j-th choice of a token, held by lane j; lanes from k on hold probability 0.
struct Choice {
  float probability;
  int expert;
};

template <int PER_LANE>
__device__ __forceinline__ Choice choose(const float (&probabilities)[PER_LANE], const float* bias, int expertCount,
                                         int k) {
  int lane = threadIdx.x % 32;
  float scores[PER_LANE];
#pragma unroll
  for (int i = 0; i < PER_LANE; i++) {
    int expert = lane + 32 * i;
    float score = probabilities[i] + (bias != nullptr && expert < expertCount ? bias[expert] : 0.0f);
    scores[i] = score == score ? score : -INFINITY;
  }
  unsigned taken = 0;  // bit i: this lane's i-th expert
  Choice mine{0.0f, NONE};
  for (int j = 0; j < k; j++) {
    Candidate best{-INFINITY, NONE};
    float probability = 0;
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) {
      int expert = lane + 32 * i;
      if (expert < expertCount && !(taken >> i & 1) && isBetter(scores[i], expert, best)) {
        best = {scores[i], expert};
        probability = probabilities[i];
      }
    }
    int chosen = warpBest(best).expert;
    probability = __shfl_sync(ALL_LANES, probability, chosen % 32);  // from the lane whose own best it is
    if (lane == chosen % 32) taken |= 1u << (chosen / 32);
    if (lane == j) mine = {probability, chosen};
  }
  return mine;
}

__device__ __forceinline__ float power(float v, float exponent) {
  return exponent == 1.0f ? v : exponent == 2.0f ? v * v : powf(v, exponent);
}

// N = largest·root over the warp's chosen probabilities; lanes that hold no choice pass 0. The largest is taken out, so
// that powers of small probabilities do not underflow. largest is 0 where all are.
struct Norm {
  float largest, root;
};

__device__ __forceinline__ Norm normOf(float q, bool isChoice, float normalization) {
  float largest = warpMax(q);
  float sum = warpSum(isChoice && largest > 0 ? power(q / largest, normalization) : 0.0f);
  return {largest, normalization == 1.0f ? sum : normalization == 2.0f ? sqrtf(sum) : powf(sum, 1.0f / normalization)};
}

__device__ __forceinline__ float normalized(float q, bool isChoice, float normalization) {
  if (normalization == 0.0f) return q;
  Norm norm = normOf(q, isChoice, normalization);
  return norm.largest > 0 ? q / norm.largest / norm.root : q * 0.0f;  // 0, and NaN of NaN
}

template <int PER_LANE>
__device__ __forceinline__ void route(const float* logits, const float* bias, float normalization,
                                      float* probabilities, float* weights, int* experts, long long tokens,
                                      int expertCount, int k) {
  int lane = threadIdx.x % 32;
  long long warps = (long long)gridDim.x * (blockDim.x / 32);
  for (long long t = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / 32; t < tokens; t += warps) {
    float row[PER_LANE];
    loadRow(logits + t * expertCount, expertCount, -INFINITY, row);
    softmax(expertCount, row);
    storeRow(probabilities + t * expertCount, expertCount, row);
    Choice choice = choose(row, bias, expertCount, k);
    float weight = normalized(choice.probability, lane < k, normalization);
    if (lane < k) {
      weights[t * k + lane] = weight;
      experts[t * k + lane] = choice.expert;
    }
  }
}

// dq of the choice of this lane, from its dweight, weight and probability; all 0 in lanes that hold none.
__device__ __forceinline__ float choiceGradient(float dweight, float weight, float q, bool isChoice,
                                                float normalization) {
  if (normalization == 0.0f) return dweight;
  Norm norm = normOf(q, isChoice, normalization);
  float dot = warpSum(dweight * weight);
  if (!isChoice || norm.largest == 0.0f) return 0.0f;
  float slope = normalization == 1.0f ? 1.0f : power(weight, normalization - 1.0f);
  return (dweight - dot * slope) / norm.largest / norm.root;
}

// logsumexp from the probabilities at hand: the largest belongs to the largest logit.
template <int PER_LANE>
__device__ __forceinline__ float logSumExp(const float* logits, int expertCount, const float (&probabilities)[PER_LANE]) {
  float v[PER_LANE];
  loadRow(logits, expertCount, -INFINITY, v);
  return rowMax(v) - logf(rowMax(probabilities));
}

// gradients[e] += dq_j where e is lane j's choice.
template <int PER_LANE>
__device__ __forceinline__ void addChoices(int expert, float dq, int k, float (&gradients)[PER_LANE]) {
  int lane = threadIdx.x % 32;
  for (int j = 0; j < k; j++) {
    int chosen = __shfl_sync(ALL_LANES, expert, j);
    float gradient = __shfl_sync(ALL_LANES, dq, j);
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) gradients[i] += lane + 32 * i == chosen ? gradient : 0.0f;
  }
}

template <int PER_LANE>
__device__ __forceinline__ void routeBackward(const float* dweights, const int* experts, const float* weights,
                                              float normalization, const float* probabilities,
                                              const float* dprobabilities, float zLossScale, const float* logits,
                                              float* dlogits, long long tokens, int expertCount, int k) {
  int lane = threadIdx.x % 32;
  bool isChoice = lane < k;
  long long warps = (long long)gridDim.x * (blockDim.x / 32);
  for (long long t = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / 32; t < tokens; t += warps) {
    const float* p = probabilities + t * expertCount;
    float row[PER_LANE], gradients[PER_LANE] = {};
    loadRow(p, expertCount, 0.0f, row);
    float shift = zLossScale == 0.0f ? 0.0f : 2 * zLossScale * logSumExp(logits + t * expertCount, expertCount, row);
    if (dprobabilities != nullptr) loadRow(dprobabilities, expertCount, 0.0f, gradients);
    long long at = t * k + lane;
    int expert = isChoice ? experts[at] : NONE;
    float dq = choiceGradient(isChoice ? dweights[at] : 0.0f, isChoice ? weights[at] : 0.0f, isChoice ? p[expert] : 0.0f,
                              isChoice, normalization);
    addChoices(expert, dq, k, gradients);
    float dot = 0;
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) dot = fmaf(row[i], gradients[i], dot);
    shift -= warpSum(dot);
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) gradients[i] = row[i] * (gradients[i] + shift);
    storeRow(dlogits + t * expertCount, expertCount, gradients);
  }
}

}  // namespace moerouter

#define SPARROW_ROUTER_ENTRIES(EXPERTS)                                                                                \
  extern "C" __global__ void __launch_bounds__(128)                                                                    \
      moe_router_f32_e##EXPERTS(const float* logits, const float* bias, float normalization, float* probabilities,     \
                                float* weights, int* experts, long long tokens, int expertCount, int k) {              \
    moerouter::route<EXPERTS / 32>(logits, bias, normalization, probabilities, weights, experts, tokens, expertCount,  \
                                   k);                                                                                 \
  }                                                                                                                    \
  extern "C" __global__ void __launch_bounds__(128) moe_router_backward_f32_e##EXPERTS(                                \
      const float* dweights, const int* experts, const float* weights, float normalization,                            \
      const float* probabilities, const float* dprobabilities, float zLossScale, const float* logits, float* dlogits,  \
      long long tokens, int expertCount, int k) {                                                                      \
    moerouter::routeBackward<EXPERTS / 32>(dweights, experts, weights, normalization, probabilities, dprobabilities,   \
                                           zLossScale, logits, dlogits, tokens, expertCount, k);                       \
  }

SPARROW_ROUTER_ENTRIES(64)
SPARROW_ROUTER_ENTRIES(256)
SPARROW_ROUTER_ENTRIES(1024)
