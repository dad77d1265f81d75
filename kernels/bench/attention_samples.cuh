// A look at drawn elements of an attention's results, at the length that is timed: each is one sum over keys or queries, given
// the results that it builds on. With P_ij = exp(s·q_i·k_j - L_i) and D_i = <dO_i, O_i>, for j <= i:
//
//   O_ic = Σ_j P_ij·v_jc     dQ_ic = s·Σ_j P_ij·(dO_i·v_j - D_i)·k_jc
//                            dK_jc = s·Σ_i P_ij·(dO_i·v_j - D_i)·q_ic     dV_jc = Σ_i P_ij·dO_ic
// and for O alone Σ_j P_ij must be 1, which is the check of L.
#pragma once

#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/double_sum.cuh"
#include "common/launch.cuh"

namespace bench {

enum AttentionPart { PART_QUERIES, PART_KEYS, PART_VALUES, PART_OUT };

struct AttentionSample {
  int part, sequence, head, row, column;
};

struct AttentionTensors {
  const bf16 *qkv, *out, *dout, *dqkv;
  const float* logSumExp;
  int length, heads, headWidth;
  float scale;

  __device__ long long token(const AttentionSample& s, int row) const { return (long long)s.sequence * length + row; }
  __device__ int width() const { return heads * headWidth; }
  // A row of the queries, keys or values of qkv or of what is laid out like it; a row of out or dout.
  __device__ const bf16* packed(const bf16* p, const AttentionSample& s, int part, int row) const {
    return p + token(s, row) * 3 * width() + part * width() + s.head * headWidth;
  }
  __device__ const bf16* plain(const bf16* p, const AttentionSample& s, int row) const {
    return p + token(s, row) * width() + s.head * headWidth;
  }
  __device__ float dot(const bf16* x, const bf16* y) const {
    float sum = 0;
    for (int c = 0; c < headWidth; c++) sum += toFloat(x[c]) * toFloat(y[c]);
    return sum;
  }
  __device__ float probability(const AttentionSample& s, int query, int key) const {
    float score = scale * dot(packed(qkv, s, PART_QUERIES, query), packed(qkv, s, PART_KEYS, key));
    return expf(score - logSumExp[((long long)s.sequence * heads + s.head) * length + query]);
  }
  // The factor of a gradient's term beside q, k or dO.
  __device__ float slope(const AttentionSample& s, int query, int key) const {
    const bf16* d = plain(dout, s, query);
    return scale * probability(s, query, key) * (dot(d, packed(qkv, s, PART_VALUES, key)) - dot(d, plain(out, s, query)));
  }
  __device__ float term(const AttentionSample& s, int other) const {
    switch (s.part) {
      case PART_OUT: return probability(s, s.row, other) * toFloat(packed(qkv, s, PART_VALUES, other)[s.column]);
      case PART_QUERIES: return slope(s, s.row, other) * toFloat(packed(qkv, s, PART_KEYS, other)[s.column]);
      case PART_KEYS: return slope(s, other, s.row) * toFloat(packed(qkv, s, PART_QUERIES, other)[s.column]);
      default: return probability(s, other, s.row) * toFloat(plain(dout, s, other)[s.column]);
    }
  }
};

// Of sample i, found[4i..]: the element, its sum in double, the sum of the terms' squares, and for O that of P, else 1. A
// block of 128 threads for each.
static __global__ void computeAttentionSamples(AttentionTensors t, const AttentionSample* samples, double* found) {
  __shared__ double scratch[3][32];
  AttentionSample s = samples[blockIdx.x];
  bool overKeys = s.part == PART_OUT || s.part == PART_QUERIES;
  int first = overKeys ? 0 : s.row, end = overKeys ? s.row + 1 : t.length;
  double sum = 0, squares = 0, total = 0;
  for (int other = first + int(threadIdx.x); other < end; other += blockDim.x) {
    double term = t.term(s, other);
    sum += term;
    squares += term * term;
    if (s.part == PART_OUT) total += t.probability(s, s.row, other);
  }
  sum = blockSumDouble(sum, scratch[0]);
  squares = blockSumDouble(squares, scratch[1]);
  total = blockSumDouble(total, scratch[2]);
  if (threadIdx.x != 0) return;
  double* mine = found + 4 * blockIdx.x;
  mine[0] = toFloat(s.part == PART_OUT ? t.plain(t.out, s, s.row)[s.column] : t.packed(t.dqkv, s, s.part, s.row)[s.column]);
  mine[1] = sum;
  mine[2] = squares;
  mine[3] = s.part == PART_OUT ? total : 1;
}

// Throws where a drawn element is not its sum. Probabilities and their gradients are rounded to bf16, to 2^-9 of each term;
// terms that cancel, those of a first row, leave what fp32 loses.
inline void requireAttention(const std::string& what, const AttentionTensors& t, int sequences) {
  constexpr int COUNT = 256;
  std::mt19937 generator(11);
  auto below = [&](int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(generator); };
  std::vector<AttentionSample> samples(COUNT);
  for (int i = 0; i < COUNT; i++) samples[i] = {i % 4, below(sequences), below(t.heads), below(t.length), below(t.headWidth)};
  device::Buffer<AttentionSample> Samples(samples);
  device::Buffer<double> Found(4 * COUNT);
  device::launch(computeAttentionSamples, COUNT, 128, 0, t, Samples, Found);
  auto found = Found.toHost();
  const char* names[] = {"queries' gradient", "keys' gradient", "values' gradient", "out"};
  for (int i = 0; i < COUNT; i++) {
    const double* f = &found[4 * i];
    double allowed = 0.03 * std::sqrt(f[2]) + 0.01 * std::fabs(f[1]) + 2e-5;
    if (std::fabs(f[0] - f[1]) <= allowed && std::fabs(f[3] - 1) <= 1e-3) continue;
    const AttentionSample& s = samples[i];
    throw std::runtime_error(what + ", " + names[s.part] + ": sequence " + std::to_string(s.sequence) + ", head " +
                             std::to_string(s.head) + ", row " + std::to_string(s.row) + ", column " + std::to_string(s.column) +
                             ": got " + std::to_string(f[0]) + ", expected " + std::to_string(f[1]) + "; probabilities add up to " +
                             std::to_string(f[3]));
  }
}

}  // namespace bench
