// How the rows of a grouped product, or a router's tokens, fall to the experts.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace bench {

enum class Load { UNIFORM, ZIPF, ONE };

inline const char* nameOf(Load load) { return load == Load::UNIFORM ? "uniform" : load == Load::ZIPF ? "zipf" : "one"; }

// Shares of the experts, adding up to 1: all alike, 1/rank, or all to the first.
inline std::vector<double> sharesOf(Load load, int experts) {
  std::vector<double> shares(experts);
  double sum = 0;
  for (int e = 0; e < experts; e++) sum += shares[e] = load == Load::UNIFORM ? 1 : load == Load::ZIPF ? 1.0 / (e + 1) : e == 0;
  for (double& share : shares) share /= sum;
  return shares;
}

// The expert of each of so many assignments, in no order; UNIFORM: as many for each, to one.
inline std::vector<int> drawExperts(Load load, int assignments, int experts, unsigned seed) {
  std::mt19937 generator(seed);
  if (load == Load::UNIFORM) {
    std::vector<int> even(assignments);
    for (int i = 0; i < assignments; i++) even[i] = i % experts;
    std::shuffle(even.begin(), even.end(), generator);
    return even;
  }
  std::vector<double> shares = sharesOf(load, experts);
  std::discrete_distribution<int> distribution(shares.begin(), shares.end());
  std::vector<int> drawn(assignments);
  for (int& e : drawn) e = distribution(generator);
  return drawn;
}

// Assignments of each expert as their first sorted row, and the end.
inline std::vector<int> offsetsOf(const std::vector<int>& drawn, int experts) {
  std::vector<int> offsets(experts + 1, 0);
  for (int e : drawn) offsets[e + 1]++;
  for (int e = 0; e < experts; e++) offsets[e + 1] += offsets[e];
  return offsets;
}

// Logits (tokens, experts) whose k largest are k experts drawn by their shares without replacement: log share plus Gumbel
// noise (Kool et al. 2019, "Stochastic beams and where to find them"). ONE: every token's experts are the first k.
inline std::vector<float> drawLogits(Load load, int tokens, int experts, int k, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> uniform(1e-9, 1);
  std::vector<double> shares = sharesOf(load == Load::ONE ? Load::UNIFORM : load, experts);
  std::vector<float> logits(size_t(tokens) * experts);
  for (size_t i = 0; i < logits.size(); i++) {
    int e = int(i % experts);
    double noise = -std::log(-std::log(uniform(generator) * (1 - 1e-9)));
    logits[i] = float(std::log(shares[e]) + noise + (load == Load::ONE && e < k ? 40 : 0));
  }
  return logits;
}

}  // namespace bench
