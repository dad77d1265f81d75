// What the checks of attention share: problems, plain attention in double, and the errors that bf16 allows.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common/philox.cuh"
#include "common/types.cuh"
#include "test/check.h"

namespace attention_check {

// p = 0: no dropout. Draws follow number firstToken·perToken.
struct Dropout {
  double p = 0;
  unsigned long long seed = 0, stream = 0, firstToken = 0, perToken = 1;

  unsigned dropBelow() const { return unsigned(std::ceil(p * 0x1p24)); }
  float scale() const { return float(1 / (1 - p)); }
  bool keeps(unsigned long long draw) const {
    return p == 0 || (philox::word(seed, stream, firstToken * perToken + draw) >> 8) * 0x1p-24 >= p;
  }
};

struct Shape {
  int sequences, length, heads, headWidth;
  bool causal = true;

  int width() const { return heads * headWidth; }
  int tokens() const { return sequences * length; }
  float scale() const { return float(1 / std::sqrt(double(headWidth))); }
  int seen(int query) const { return causal ? query + 1 : length; }  // keys
  std::string name() const {
    return std::to_string(sequences) + " sequences of " + std::to_string(length) + ", " + std::to_string(heads) + " heads of " +
           std::to_string(headWidth) + (causal ? "" : ", full");
  }
};

// A value and what its terms add up to without their signs: rounding each term errs by a part of that.
struct Sums {
  std::vector<double> value, magnitude;
  explicit Sums(size_t size) : value(size), magnitude(size) {}
  void add(size_t at, double term, double uncertain = 0) {
    value[at] += term;
    magnitude[at] += std::fabs(term) + uncertain;
  }
};

// One problem with inputs as they are stored, and its results in double.
struct Problem {
  Shape shape;
  Dropout dropout;
  std::vector<bf16> qkv, dout, out;
  std::vector<float> logSumExp;
  Sums o, dqkv;
  std::vector<double> l;
  double largestScore = 0;  // Σ |s·q·k|

  Problem(test::Check& check, Shape shape_, Dropout dropout_ = {}, float spread = 1)
      : Problem(shape_, dropout_, check.normal<bf16>(size_t(shape_.tokens()) * 3 * shape_.width(), spread),
                check.normal<bf16>(size_t(shape_.tokens()) * shape_.width())) {}

  Problem(Shape shape_, Dropout dropout_, std::vector<bf16> qkv_, std::vector<bf16> dout_)
      : shape(shape_), dropout(dropout_), qkv(std::move(qkv_)), dout(std::move(dout_)), o(dout.size()), dqkv(qkv.size()),
        l(size_t(shape.sequences) * shape.heads * shape.length) {
    eachHead([&](int sequence, int head) { forward(sequence, head); });
    for (double v : o.value) out.push_back(fromFloat<bf16>(float(v)));
    for (double v : l) logSumExp.push_back(float(v));
  }

  // The gradients for out and logSumExp as they are stored, which may be set to anything before.
  void differentiate() {
    eachHead([&](int sequence, int head) { backward(sequence, head); });
  }

  template <class Body>
  void eachHead(Body body) const {
    for (int sequence = 0; sequence < shape.sequences; sequence++)
      for (int head = 0; head < shape.heads; head++) body(sequence, head);
  }

  // Of a head's position, element 0: its query (part 0), key (1) or value (2) in qkv, and its row of (tokens, width).
  size_t packed(int sequence, int head, int position, int part) const {
    return ((size_t(sequence) * shape.length + position) * 3 + part) * shape.width() + size_t(head) * shape.headWidth;
  }
  size_t plain(int sequence, int head, int position) const {
    return (size_t(sequence) * shape.length + position) * shape.width() + size_t(head) * shape.headWidth;
  }
  size_t row(int sequence, int head, int position) const {
    return (size_t(sequence) * shape.heads + head) * shape.length + position;
  }

  bool keeps(int sequence, int head, int i, int j) const {
    return dropout.keeps((unsigned long long)row(sequence, head, i) * shape.length + j);
  }
  double factor(int sequence, int head, int i, int j) const {
    return !keeps(sequence, head, i, j) ? 0 : dropout.p == 0 ? 1 : dropout.scale();
  }

  // Rounding to bf16 errs by up to 2^-8: once in a term, once in the result. Scores err by some fp32 units, which come through the
  // exponential as a relative error.
  double tolerance() const { return 0x1p-7 + 0x1p-21 * largestScore; }

 private:
  static double dot(const std::vector<bf16>& a, size_t atA, const std::vector<bf16>& b, size_t atB, int n,
                    double* magnitude) {
    double sum = 0;
    *magnitude = 0;
    for (int d = 0; d < n; d++) {
      double term = double(toFloat(a[atA + d])) * toFloat(b[atB + d]);
      sum += term;
      *magnitude += std::fabs(term);
    }
    return sum;
  }

  double score(int sequence, int head, int i, int j) {
    double magnitude;
    double sum = dot(qkv, packed(sequence, head, i, 0), qkv, packed(sequence, head, j, 1), shape.headWidth, &magnitude);
    largestScore = std::max(largestScore, magnitude * shape.scale());
    return sum * shape.scale();
  }

  void forward(int sequence, int head) {
    std::vector<double> p(shape.length);
    for (int i = 0; i < shape.length; i++) {
      double max = -INFINITY, sum = 0;
      for (int j = 0; j < shape.seen(i); j++) max = std::max(max, p[j] = score(sequence, head, i, j));
      for (int j = 0; j < shape.seen(i); j++) sum += p[j] = std::exp(p[j] - max);
      l[row(sequence, head, i)] = max + std::log(sum);
      for (int j = 0; j < shape.seen(i); j++)
        for (int d = 0; d < shape.headWidth; d++)
          o.add(plain(sequence, head, i) + d,
                factor(sequence, head, i, j) * p[j] / sum * toFloat(qkv[packed(sequence, head, j, 2) + d]));
    }
  }

  void backward(int sequence, int head) {
    for (int i = 0; i < shape.length; i++) {
      size_t row_i = plain(sequence, head, i), q = packed(sequence, head, i, 0);
      double aroundD, aroundDp;
      double D = dot(dout, row_i, out, row_i, shape.headWidth, &aroundD);
      for (int j = 0; j < shape.seen(i); j++) {
        size_t k = packed(sequence, head, j, 1), v = packed(sequence, head, j, 2);
        double p = std::exp(score(sequence, head, i, j) - logSumExp[row(sequence, head, i)]), z = factor(sequence, head, i, j);
        double dp = z * dot(dout, row_i, qkv, v, shape.headWidth, &aroundDp), ds = p * (dp - D) * shape.scale();
        // dP and D are fp32 sums of their own, whose errors remain where they cancel.
        double uncertain = 0.002 * p * (z * aroundDp + aroundD) * shape.scale();
        for (int d = 0; d < shape.headWidth; d++) {
          double query = toFloat(qkv[q + d]), key = toFloat(qkv[k + d]);
          dqkv.add(q + d, ds * key, uncertain * std::fabs(key));
          dqkv.add(k + d, ds * query, uncertain * std::fabs(query));
          dqkv.add(v + d, z * p * toFloat(dout[row_i + d]));
        }
      }
    }
  }
};

// |actual - expected| <= tolerance·magnitude for every element; besides, what is below 1e-30 may become 0.
inline void within(test::Check& check, const std::string& what, const std::vector<bf16>& actual, const Sums& expected,
                   double tolerance) {
  size_t worst = 0, wrong = 0;
  double worstRatio = -1;
  if (actual.size() != expected.value.size()) return check.fail(what + ": size");
  for (size_t i = 0; i < actual.size(); i++) {
    double error = std::fabs(toFloat(actual[i]) - expected.value[i]), allowed = tolerance * expected.magnitude[i] + 1e-30;
    double ratio = std::isnan(error) ? INFINITY : error / allowed;
    if (!(ratio <= 1)) wrong++;
    if (ratio > worstRatio) worstRatio = ratio, worst = i;
  }
  if (wrong == 0) return;
  char text[200];
  std::snprintf(text, sizeof text, ": %zu of %zu differ; worst at index %zu: got %.9g, expected %.9g, allowed %.3g", wrong,
                actual.size(), worst, toFloat(actual[worst]), expected.value[worst], tolerance * expected.magnitude[worst]);
  check.fail(what + text);
}

// One key, odd, around a product's 16, a tile's 64 and 128, several tiles.
const int LENGTHS[] = {1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200};

// Of different alignments to a block of four draws, one past 2^33, one wrapped over tokens.
inline std::vector<Dropout> dropouts(test::Check& check, const Shape& shape) {
  unsigned long long seed = 0x9123456789ABCDEFull + check.random(), stream = 0xF000000000000001ull + check.random() % 100;
  return {{0.25, seed, stream, 0, 1},
          {0.1, seed, stream, 7, 1},
          {0.5, seed, stream, (1ull << 33) + 5, 1},
          {0.3, seed, stream, (1ull << 34) / shape.length, (unsigned long long)shape.heads * shape.length}};
}

// NaN in the last head must not reach the first: what lies beside a head's columns must not be multiplied, even by 0.
// results: of a problem, arrays with rows of `width` elements.
template <class Run>
void checkHeadsApart(test::Check& check, Shape shape, Run run) {
  Problem p(check, shape);
  auto before = run(p);
  size_t last = size_t(shape.width() - shape.headWidth);
  for (size_t i = 0; i < p.qkv.size(); i++)
    if (i % shape.width() >= last) p.qkv[i] = fromFloat<bf16>(NAN);
  for (size_t i = 0; i < p.dout.size(); i++)
    if (i % shape.width() >= last) p.dout[i] = fromFloat<bf16>(NAN);
  auto after = run(p);
  for (size_t i = 0; i < after.size(); i++)
    if (i % shape.width() >= last) after[i] = before[i];
  check.identical("the other heads, " + shape.name(), after, before);
}

// Calls body(window) for windows of headWidth positions that cover 0 to length - 1: one head's columns can tell that many
// positions from each other.
template <class Body>
void eachWindow(const Shape& shape, Body body) {
  for (int window = 0; window < shape.length; window += shape.headWidth) body(window);
}

// Makes the head's vector at `position` the unit vector of that position of the window, or 0 outside of it.
inline void setUnit(std::vector<bf16>& values, size_t at, int position, int window, int headWidth) {
  for (int d = 0; d < headWidth; d++) values[at + d] = fromFloat<bf16>(position - window == d ? 1.0f : 0.0f);
}

// Fails unless element (row, unit - window) of each head is other than 0 exactly where the mask keeps the pair. at: of a head
// and row; queryOf, keyOf: of row and unit.
template <class At, class Query, class Key>
void checkMask(test::Check& check, const std::string& what, const Problem& p, const std::vector<bf16>& actual, int window, At at,
               Query queryOf, Key keyOf) {
  int wrong = 0, last = std::min(p.shape.length, window + p.shape.headWidth);
  p.eachHead([&](int sequence, int head) {
    for (int row = 0; row < p.shape.length; row++)
      for (int unit = window; unit < last; unit++) {
        int i = queryOf(row, unit), j = keyOf(row, unit);
        bool expected = j < p.shape.seen(i) && p.keeps(sequence, head, i, j);
        wrong += !(std::fabs(toFloat(actual[at(sequence, head, row) + unit - window])) > 0) == expected;
      }
  });
  check.that(wrong == 0, what + ", " + p.shape.name() + ", window from " + std::to_string(window) + ": " + std::to_string(wrong) +
                             " probabilities differ from the mask");
}

inline int rowOf(int row, int) { return row; }
inline int unitOf(int, int unit) { return unit; }

// Equal scores and values that are unit vectors: each element of out is a probability, 0 where it was dropped or is not seen.
template <class Forward>
void checkForwardMask(test::Check& check, const Shape& shape, const Dropout& dropout, Forward forward) {
  eachWindow(shape, [&](int window) {
    Problem p(check, shape, dropout);
    p.eachHead([&](int sequence, int head) {
      for (int j = 0; j < shape.length; j++) {
        setUnit(p.qkv, p.packed(sequence, head, j, 0), -1, 0, shape.headWidth);
        setUnit(p.qkv, p.packed(sequence, head, j, 2), j, window, shape.headWidth);
      }
    });
    auto at = [&](int sequence, int head, int row) { return p.plain(sequence, head, row); };
    checkMask(check, "out", p, forward(p), window, at, rowOf, unitOf);
  });
}

// Scores and out of 0, and unit vectors for the keys, the queries or dO's rows: each element of dQ, dK or dV is then a
// probability, 0 where it was dropped or is not seen. Values and, for dQ and dK, rows of dO are the same at all positions.
template <class Backward>
void checkBackwardMask(test::Check& check, const Shape& shape, const Dropout& dropout, Backward backward) {
  for (int part = 0; part < 3; part++)
    eachWindow(shape, [&](int window) {
      Problem p(check, shape, dropout);
      int width = shape.headWidth;
      std::fill(p.out.begin(), p.out.end(), fromFloat<bf16>(0.0f));
      p.eachHead([&](int sequence, int head) {
        for (int i = 0; i < shape.length; i++) {
          setUnit(p.qkv, p.packed(sequence, head, i, 0), part == 1 ? i : -1, part == 1 ? window : 0, width);
          setUnit(p.qkv, p.packed(sequence, head, i, 1), part == 0 ? i : -1, part == 0 ? window : 0, width);
          setUnit(p.qkv, p.packed(sequence, head, i, 2), 0, 0, width);
          setUnit(p.dout, p.plain(sequence, head, i), part == 2 ? i : 0, part == 2 ? window : 0, width);
          p.logSumExp[p.row(sequence, head, i)] = std::log(float(shape.seen(i)));
        }
      });
      auto at = [&](int sequence, int head, int row) { return p.packed(sequence, head, row, part); };
      std::vector<bf16> dqkv = backward(p);
      if (part == 0) checkMask(check, "dQ", p, dqkv, window, at, rowOf, unitOf);
      else checkMask(check, part == 1 ? "dK" : "dV", p, dqkv, window, at, unitOf, rowOf);
    });
}

}  // namespace attention_check
