// Checks of nn/embedding.cu against double arithmetic.
#include "nn/embedding.cu"

#include <algorithm>
#include <numeric>

#include "common/launch.cuh"
#include "test/check.h"

namespace {

template <typename T> struct Family;
template <> struct Family<float> {
  static constexpr auto forward = embedding_f32;
  static constexpr auto backward = embedding_backward_f32;
  static constexpr auto addPositions = add_positions_f32;
  static constexpr auto addPositionsBackward = add_positions_backward_f32;
  static constexpr auto rotary = rotary_f32;
  static constexpr auto mean = sequence_mean_f32;
  static constexpr auto meanBackward = sequence_mean_backward_f32;
};
template <> struct Family<bf16> {
  static constexpr auto forward = embedding_bf16;
  static constexpr auto backward = embedding_backward_bf16;
  static constexpr auto addPositions = add_positions_bf16;
  static constexpr auto addPositionsBackward = add_positions_backward_bf16;
  static constexpr auto rotary = rotary_bf16;
  static constexpr auto mean = sequence_mean_bf16;
  static constexpr auto meanBackward = sequence_mean_backward_bf16;
};

// A result is one rounding of T, after a few of fp32.
template <typename T> double relative() { return sizeof(T) == 2 ? 0.0040 : 3e-7; }

struct Shape { int sequences, length, start, vocabulary, width, blocks, threads; };

// One id, odd, widths around packs of 4 and 8, around a chunk of 32 and a tile of 1024 ids, GPT-2's width and vocabulary.
const Shape SHAPES[] = {{1, 1, 0, 1, 1, 1, 32},       {3, 5, 2, 7, 7, 4, 32},     {1, 31, 1, 2, 8, 3, 32},
                        {2, 16, 0, 300, 9, 8, 32},    {3, 11, 4, 1, 16, 5, 64},   {1, 1023, 0, 5, 3, 7, 32},
                        {2, 512, 3, 257, 8, 6, 32},   {5, 205, 0, 70000, 4, 9, 32}, {4, 64, 0, 50257, 768, 16, 96}};

std::string name(const Shape& s) {
  return " (" + std::to_string(s.sequences * s.length) + " ids of " + std::to_string(s.vocabulary) + ", " +
         std::to_string(s.width) + ")";
}

// Half of the ids are one and the same, as frequent words are; the first and the last of the vocabulary occur.
std::vector<int> ids(test::Check& check, int n, int vocabulary) {
  std::vector<int> result(n);
  int frequent = check.integer(0, vocabulary - 1);
  for (int& id : result) id = check.integer(0, 1) == 0 ? frequent : check.integer(0, vocabulary - 1);
  result[0] = vocabulary - 1;
  result[n - 1] = 0;
  return result;
}

struct Sorted { std::vector<int> ids, order; };

Sorted sort(const std::vector<int>& ids, int vocabulary) {
  int n = int(ids.size()), tiles = (n + embedding::TILE - 1) / embedding::TILE;
  device::Buffer<int> a(ids), b(n), c(n), orderB(n), orderC(n), counts(tiles * embedding::DIGITS);
  int *from = a, *fromOrder = nullptr, *to = b, *toOrder = orderB;
  for (int shift = 0; shift == 0 || (vocabulary - 1) >> shift != 0; shift += 8) {
    device::launch(id_sort_count_i32, tiles, 32, 0, from, n, shift, counts);
    device::launch(id_sort_scan_i32, 1, 96, 0, counts, tiles * embedding::DIGITS);
    device::launch(id_sort_scatter_i32, tiles, 32, 0, from, fromOrder, n, shift, counts, to, toOrder);
    from = to;
    fromOrder = toOrder;
    bool inB = to == b.data();
    to = inB ? c : b;
    toOrder = inB ? orderC : orderB;
  }
  bool inB = from == b.data();
  return {inB ? b.toHost() : c.toHost(), inB ? orderB.toHost() : orderC.toHost()};
}

SPARROW_CHECK(embedding, ids_are_sorted_stably) {
  for (const Shape& s : SHAPES) {
    auto given = ids(check, s.sequences * s.length, s.vocabulary);
    std::vector<int> order(given.size()), sorted;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int i, int j) { return given[i] < given[j]; });
    for (int i : order) sorted.push_back(given[i]);
    Sorted got = sort(given, s.vocabulary);
    check.equal("ids" + name(s), got.ids, sorted);
    check.equal("order" + name(s), got.order, order);
  }
}

template <typename T>
void checkForward(test::Check& check, bool withPositions) {
  for (const Shape& s : SHAPES) {
    int n = s.sequences * s.length;
    auto id = ids(check, n, s.vocabulary);
    auto table = check.normal<T>(size_t(s.vocabulary) * s.width),
         positions = check.normal<T>(size_t(s.start + s.length) * s.width);
    std::vector<double> expected, plain;
    for (int i = 0; i < n; i++)
      for (int c = 0; c < s.width; c++) {
        double position = toFloat(positions[size_t(s.start + i % s.length) * s.width + c]);
        plain.push_back(toFloat(table[size_t(id[i]) * s.width + c]));
        expected.push_back(plain.back() + (withPositions ? position : 0));
      }
    device::Buffer<int> ID(id);
    device::Buffer<T> TABLE(table), POSITIONS(positions), OUT(size_t(n) * s.width);
    const T* positionsOrNull = withPositions ? POSITIONS.data() : nullptr;
    device::launch(Family<T>::forward, s.blocks, s.threads, 0, ID, TABLE, positionsOrNull, s.length, s.start, OUT, n,
                   s.width);
    check.near("out" + name(s), OUT.toHost(), expected, 0, withPositions ? relative<T>() : 0);
    if (!withPositions) continue;
    device::Buffer<T> X(size_t(n) * s.width);
    device::launch(Family<T>::forward, s.blocks, s.threads, 0, ID, TABLE, (const T*)nullptr, s.length, s.start, X, n,
                   s.width);
    device::launch(Family<T>::addPositions, s.blocks, s.threads, 0, POSITIONS, s.length, s.start, X, n, s.width);
    check.identical("positions apart" + name(s), X.toHost(), OUT.toHost());
  }
}

template <typename T>
std::vector<float> backward(const Shape& s, const Sorted& sorted, const std::vector<T>& dout, const std::vector<float>& old) {
  int n = s.sequences * s.length, chunks = (n + embedding::CHUNK - 1) / embedding::CHUNK;
  device::Buffer<int> sortedIds(sorted.ids), order(sorted.order);
  device::Buffer<T> DOUT(dout);
  device::Buffer<float> dtable(old), partials(size_t(chunks) * 2 * s.width);
  device::launch(Family<T>::backward, chunks, s.threads, 0, sortedIds, order, DOUT, dtable, partials, n, s.width);
  device::launch(embedding_join_f32, chunks, s.threads, 0, sortedIds, partials, dtable, n, s.width);
  partials.toHost();  // for its guards
  return dtable.toHost();
}

template <typename T>
void checkBackward(test::Check& check) {
  for (const Shape& s : SHAPES) {
    int n = s.sequences * s.length;
    auto id = ids(check, n, s.vocabulary);
    auto dout = check.normal<T>(size_t(n) * s.width);
    auto old = check.normal<float>(size_t(s.vocabulary) * s.width);
    std::vector<double> expected(old.begin(), old.end());
    for (int i = 0; i < n; i++)
      for (int c = 0; c < s.width; c++) expected[size_t(id[i]) * s.width + c] += toFloat(dout[size_t(i) * s.width + c]);
    Sorted sorted = sort(id, s.vocabulary);
    auto dtable = backward(s, sorted, dout, old);
    // Sums of up to a thousand terms of size 1, which may cancel, in fp32.
    check.near("dtable" + name(s), dtable, expected, 3e-5, 1e-6);
    check.identical("dtable again" + name(s), backward(s, sorted, dout, old), dtable);
  }
}

template <typename T>
void checkPositionsBackward(test::Check& check) {
  for (const Shape& s : SHAPES) {
    int n = s.sequences * s.length;
    auto dx = check.normal<T>(size_t(n) * s.width);
    auto old = check.normal<float>(size_t(s.start + s.length + 1) * s.width);
    std::vector<double> expected(old.begin(), old.end());
    for (int i = 0; i < n; i++)
      for (int c = 0; c < s.width; c++)
        expected[size_t(s.start + i % s.length) * s.width + c] += toFloat(dx[size_t(i) * s.width + c]);
    device::Buffer<T> DX(dx);
    device::Buffer<float> dpositions(old);
    device::launch(Family<T>::addPositionsBackward, s.blocks, s.threads, 0, DX, s.length, s.start, dpositions, n, s.width);
    check.near("dpositions" + name(s), dpositions.toHost(), expected, 2e-6, 1e-6);
  }
}

template <typename T>
void checkMean(test::Check& check) {
  for (const Shape& s : SHAPES) {
    int n = s.sequences * s.length;
    auto x = check.normal<T>(size_t(n) * s.width), dout = check.normal<T>(size_t(s.sequences) * s.width);
    std::vector<double> means(dout.size()), dx(x.size());
    for (size_t i = 0; i < x.size(); i++) {
      size_t at = i / s.width / s.length * s.width + i % s.width;
      means[at] += toFloat(x[i]) / double(s.length);
      dx[i] = toFloat(dout[at]) / double(s.length);
    }
    device::Buffer<T> X(x), OUT(dout.size()), DOUT(dout), DX(x.size());
    device::launch(Family<T>::mean, s.blocks, s.threads, 0, X, s.length, OUT, s.sequences, s.width);
    check.near("mean" + name(s), OUT.toHost(), means, 1e-6, relative<T>());
    device::launch(Family<T>::meanBackward, s.blocks, s.threads, 0, DOUT, s.length, DX, n, s.width);
    check.near("dx" + name(s), DX.toHost(), dx, 0, relative<T>());
  }
}

struct Heads { int sequences, length, start, heads, width; };

template <typename T>
void checkRotary(test::Check& check) {
  for (const Heads& s : {Heads{1, 1, 0, 1, 2}, Heads{2, 3, 5, 3, 6}, Heads{1, 7, 0, 2, 8}, Heads{2, 5, 1, 2, 18},
                         Heads{2, 9, 3, 12, 64}}) {
    int tokens = s.sequences * s.length, half = s.width / 2, columns = 3 * s.heads * s.width;
    auto qkv = check.normal<T>(size_t(tokens) * columns);
    std::vector<float> cos, sin;
    for (int p = 0; p < s.start + s.length; p++)
      for (int j = 0; j < half; j++) {
        double angle = p * std::pow(10000.0, -2.0 * j / s.width);
        cos.push_back(float(std::cos(angle)));
        sin.push_back(float(std::sin(angle)));
      }
    for (int inverse : {0, 1}) {
      std::vector<double> expected;
      for (T v : qkv) expected.push_back(toFloat(v));
      for (int i = 0; i < tokens; i++)
        for (int head = 0; head < 2 * s.heads; head++)
          for (int j = 0; j < half; j++) {
            double angle = (s.start + i % s.length) * std::pow(10000.0, -2.0 * j / s.width) * (inverse ? -1 : 1);
            double& a = expected[size_t(i) * columns + head * s.width + j];
            double& b = expected[size_t(i) * columns + head * s.width + j + half];
            double x = a, y = b;
            a = x * std::cos(angle) - y * std::sin(angle);
            b = y * std::cos(angle) + x * std::sin(angle);
          }
      device::Buffer<T> QKV(qkv);
      device::Buffer<float> COS(cos), SIN(sin);
      device::launch(Family<T>::rotary, 3, 32, 0, QKV, COS, SIN, inverse, s.length, s.start, tokens, s.heads, s.width);
      std::string what = " (" + std::to_string(tokens) + ", 3·" + std::to_string(s.heads) + "·" + std::to_string(s.width) +
                         ")" + (inverse ? " inverse" : "");
      // Products of up to about 4 may cancel.
      check.near("qkv" + what, QKV.toHost(), expected, 1e-6, relative<T>());
    }
  }
}

SPARROW_CHECK(embedding, forward_f32) { checkForward<float>(check, false); }
SPARROW_CHECK(embedding, forward_bf16) { checkForward<bf16>(check, false); }
SPARROW_CHECK(embedding, forward_with_positions_f32) { checkForward<float>(check, true); }
SPARROW_CHECK(embedding, forward_with_positions_bf16) { checkForward<bf16>(check, true); }
SPARROW_CHECK(embedding, backward_f32) { checkBackward<float>(check); }
SPARROW_CHECK(embedding, backward_bf16) { checkBackward<bf16>(check); }
SPARROW_CHECK(embedding, positions_backward_f32) { checkPositionsBackward<float>(check); }
SPARROW_CHECK(embedding, positions_backward_bf16) { checkPositionsBackward<bf16>(check); }
SPARROW_CHECK(embedding, mean_f32) { checkMean<float>(check); }
SPARROW_CHECK(embedding, mean_bf16) { checkMean<bf16>(check); }
SPARROW_CHECK(embedding, rotary_f32) { checkRotary<float>(check); }
SPARROW_CHECK(embedding, rotary_bf16) { checkRotary<bf16>(check); }

}  // namespace
