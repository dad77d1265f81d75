// Memory-bound kernels around tokens: embedding and its backward, positions, the moves of a mixture of experts and its router.
// bf16, as gpu-core launches them.
#pragma once

#include "moe/jitter.cu"
#include "moe/permute.cu"
#include "moe/router.cu"
#include "nn/embedding.cu"
#include "nn/tokens.cu"

#include <cmath>
#include <random>
#include <set>

#include "bench/load.h"
#include "bench/memory_bound.h"
#include "bench/sort.cuh"

namespace bench {

// Token ids by Zipf's law, as those of text are.
inline std::vector<int> drawIds(int n, int vocabulary) {
  std::mt19937 generator(2);
  std::vector<double> shares = sharesOf(Load::ZIPF, vocabulary);
  std::discrete_distribution<int> distribution(shares.begin(), shares.end());
  std::vector<int> ids(n), names(vocabulary);
  for (int i = 0; i < vocabulary; i++) names[i] = i;
  std::shuffle(names.begin(), names.end(), generator);  // frequent ones are not neighbours
  for (int& id : ids) id = names[distribution(generator)];
  return ids;
}

// Stable radix sort of ids, as gpu-core's IdSort.
class IdSort {
 public:
  IdSort(int n, int vocabulary)
      : n_(n), vocabulary_(vocabulary), tiles_((n + embedding::TILE - 1) / embedding::TILE), ids_(2 * size_t(n)),
        order_(2 * size_t(n)), counts_(size_t(embedding::DIGITS) * tiles_) {}

  void operator()(const int* ids) {
    const int *fromIds = ids, *fromOrder = nullptr;
    int passes = 0;
    for (int shift = 0; shift == 0 || (vocabulary_ - 1) >> shift > 0; shift += 8, passes++) {
      int *toIds = ids_ + size_t(passes % 2) * n_, *toOrder = order_ + size_t(passes % 2) * n_;
      int counts = embedding::DIGITS * tiles_;
      device::enqueue(id_sort_count_i32, tiles_, 32, 0, fromIds, n_, shift, counts_);
      device::enqueue(id_sort_scan_i32, 1, std::min(1024, counts), 0, counts_, counts);
      device::enqueue(id_sort_scatter_i32, tiles_, 32, 0, fromIds, fromOrder, n_, shift, counts_, toIds, toOrder);
      fromIds = toIds, fromOrder = toOrder;
    }
    last_ = (passes - 1) % 2;
  }
  const int* ids() const { return ids_ + size_t(last_) * n_; }
  const int* order() const { return order_ + size_t(last_) * n_; }

 private:
  int n_, vocabulary_, tiles_, last_ = 0;
  device::Buffer<int> ids_, order_, counts_;
};

// Rows of the table that occur several times are read, and their gradients added to, once.
inline void embeddings(MemoryBound& m, int n, int width, int vocabulary) {
  std::vector<int> drawn = drawIds(n, vocabulary);
  double unique = double(std::set<int>(drawn.begin(), drawn.end()).size()), rows = double(n) * width;
  int chunks = (n + embedding::CHUNK - 1) / embedding::CHUNK, threads = threadsOfRow(width);
  device::Buffer<int> ids(drawn);
  Normal<bf16> table(size_t(vocabulary) * width), dout(size_t(n) * width);
  device::Buffer<bf16> out(dout.size());
  device::Buffer<float> partials(2 * size_t(chunks) * width);
  Zeros<float> dtable(table.size());
  IdSort sort(n, vocabulary);
  const bf16* noPositions = nullptr;
  m.add({"embedding" + sizes(n, width), "embedding_bf16", 2 * rows + 2 * unique * width + 4.0 * n, [&] {
           device::enqueue(embedding_bf16, blocks(n, 1), threads, 0, ids, table, noPositions, 1, 0, out, n, width);
         }}, out);
  m.add({"embedding_backward" + sizes(n, width), "id_sort, embedding_backward_bf16", 2 * rows + 8 * unique * width + 4.0 * n, [&] {
           sort(ids);
           device::enqueue(embedding_backward_bf16, chunks, threads, 0, sort.ids(), sort.order(), dout, dtable, partials, n, width);
           device::enqueue(embedding_join_f32, chunks, threads, 0, sort.ids(), partials, dtable, n, width);
         }}, dtable);
}

// x of so many sequences; and its queries and keys where each token has heads of headWidth.
inline void positions(MemoryBound& m, int sequences, int length, int heads, int headWidth) {
  int width = heads * headWidth, tokens = sequences * length, half = headWidth / 2;
  Normal<bf16> table(size_t(length) * width), x(size_t(tokens) * width), qkv(3 * x.size());
  Zeros<float> dtable(table.size());
  std::vector<float> turned(size_t(length) * half);
  for (size_t i = 0; i < turned.size(); i++) turned[i] = float(i / half * std::pow(10000, -2.0 * double(i % half) / headWidth));
  std::vector<float> cosines, sines;
  for (float angle : turned) cosines.push_back(std::cos(angle)), sines.push_back(std::sin(angle));
  device::Buffer<float> cos(cosines), sin(sines);
  double bytes = 2.0 * tokens * width;
  m.add({"add_positions" + sizes(tokens, width), "add_positions_bf16", 2 * bytes + 2.0 * length * width, [&] {
           device::enqueue(add_positions_bf16, blocks(tokens, 1), threadsOfRow(width), 0, table, length, 0, x, tokens, width);
         }}, x);
  m.add({"add_positions_backward" + sizes(tokens, width), "add_positions_backward_bf16", bytes + 8.0 * length * width, [&] {
           device::enqueue(add_positions_backward_bf16, blocks(length, 1), threadsOfRow(width), 0, x, length, 0, dtable, tokens,
                           width);
         }}, dtable);
  m.add({"rotary" + sizes(tokens, width), "rotary_bf16", 4 * bytes + 8.0 * double(turned.size()), [&] {
           device::enqueue(rotary_bf16, blocks(tokens, 1), threadsOfRow(2 * width), 0, qkv, cos, sin, 0, length, 0, tokens, heads,
                           headWidth);
         }}, qkv);
}

inline void splitTokens(MemoryBound& m, int sequences, int length) {
  int tokens = sequences * length;
  std::vector<int> drawn = drawIds(sequences * (length + 1), 50257);
  device::Buffer<int> rows(drawn), inputs(tokens), targets(tokens);
  m.add({"split_tokens" + sizes(sequences, length), "split_tokens_i32", 12.0 * tokens, [&] {
           device::enqueue(split_tokens_i32, blocks(tokens, THREADS), THREADS, 0, rows, inputs, targets, sequences, length);
         }}, inputs, targets);
}

struct MoeSizes {
  int tokens, width, experts, topK;

  long long assignments() const { return (long long)tokens * topK; }
  std::string name() const { return sizes(tokens, width) + " k" + std::to_string(topK); }
};

inline void router(MemoryBound& m, const MoeSizes& s, const float* logits, float* probabilities, float* weights, int* experts) {
  device::Buffer<float> dlogits(size_t(s.tokens) * s.experts);
  Normal<float> dweights(size_t(s.tokens) * s.topK), dprobabilities(s.experts);
  const float* noBias = nullptr;
  double all = 4.0 * s.tokens * s.experts, chosen = 4.0 * s.tokens * s.topK;
  auto forward = s.experts <= 64 ? moe_router_f32_e64 : moe_router_f32_e256;
  auto backward = s.experts <= 64 ? moe_router_backward_f32_e64 : moe_router_backward_f32_e256;
  m.add({"router" + sizes(s.tokens, s.experts), "moe_router_f32", 2 * all + 2 * chosen, [&] {
           device::enqueue(forward, blocks(s.tokens, 4), 128, 0, logits, noBias, 1.0f, probabilities, weights, experts, s.tokens,
                           s.experts, s.topK);
         }});
  m.add({"router_backward" + sizes(s.tokens, s.experts), "moe_router_backward_f32", 3 * all + 3 * chosen, [&] {
           device::enqueue(backward, blocks(s.tokens, 4), 128, 0, dweights, experts, weights, 1.0f, probabilities, dprobabilities,
                           1e-6f, logits, dlogits, s.tokens, s.experts, s.topK);
         }}, dlogits);
}

// What goes between tokens and rows in the experts' order; rowOf (T, k) as the sort gives it.
struct Moved {
  const MoeSizes& sizes;
  const int* rowOf;
  const float* weights;
  Normal<bf16> tokens;             // (T, width)
  Normal<bf16> rows;               // (P, width)
  device::Buffer<bf16> newRows;    // (P, width)
  device::Buffer<float> dweights;  // (T, k)

  Moved(const MoeSizes& s, const int* rowOf, const float* weights)
      : sizes(s), rowOf(rowOf), weights(weights), tokens(size_t(s.tokens) * s.width), rows(s.assignments() * size_t(s.width)),
        newRows(rows.size()), dweights(s.assignments()) {}
};

// accumulate: beside a feed-forward that all tokens go through, whose result is there already.
inline void combines(MemoryBound& m, const Moved& moved, bool accumulate) {
  const MoeSizes& s = moved.sizes;
  device::Buffer<bf16> out(moved.tokens.size());
  if (accumulate) zero(out.data(), out.bytes());
  int grid = blocks(s.tokens, THREADS / 32);
  double bytes = 2.0 * double(moved.rows.size()) + (accumulate ? 4.0 : 2.0) * double(out.size());
  double numbers = 4.0 * double(s.assignments());
  std::string shape = s.name() + (accumulate ? " +=" : "");
  m.add({"scatter" + shape, "moe_scatter_bf16", bytes + 2 * numbers, [&] {
           device::enqueue(moe_scatter_bf16, grid, THREADS, 0, moved.rows, moved.rowOf, moved.weights, accumulate, out, s.tokens,
                           s.topK, s.width);
         }}, out);
  m.add({"gather_backward" + shape, "moe_gather_backward_bf16", bytes + numbers, [&] {
           device::enqueue(moe_gather_backward_bf16, grid, THREADS, 0, moved.rows, moved.rowOf, accumulate, out, s.tokens, s.topK,
                           s.width);
         }}, out);
}

inline void spreads(MemoryBound& m, const Moved& moved) {
  const MoeSizes& s = moved.sizes;
  int grid = blocks(s.assignments(), THREADS / 32);
  double rowBytes = 2.0 * double(moved.rows.size()), tokenBytes = 2.0 * double(moved.tokens.size());
  double numbers = 4.0 * double(s.assignments());
  m.add({"gather" + s.name(), "moe_gather_bf16", rowBytes + tokenBytes + numbers, [&] {
           device::enqueue(moe_gather_bf16, grid, THREADS, 0, moved.tokens, moved.rowOf, moved.newRows, s.assignments(), s.topK,
                           s.width);
         }}, moved.newRows);
  // Outputs' gradient, y; dy; rowOf, weights, their gradient.
  m.add({"scatter_backward" + s.name(), "moe_scatter_backward_bf16", tokenBytes + 2 * rowBytes + 3 * numbers, [&] {
           device::enqueue(moe_scatter_backward_bf16, grid, THREADS, 0, moved.tokens, moved.rows, moved.rowOf, moved.weights,
                           moved.newRows, moved.dweights, s.assignments(), s.topK, s.width);
         }}, moved.newRows, moved.dweights);
}

// Routing of uniformly drawn choices, and the moves that follow from it.
inline void moves(MemoryBound& m, const MoeSizes& s) {
  std::vector<float> drawn = drawLogits(Load::UNIFORM, s.tokens, s.experts, s.topK, 9);
  device::Buffer<float> logits(drawn), probabilities(drawn.size()), weights(s.assignments());
  device::Buffer<int> experts(s.assignments()), offsets(s.experts + 1), load(s.experts), tokenOf(experts.size()),
      rowOf(experts.size());
  AssignmentSort sort(s.assignments(), s.experts, s.topK);
  router(m, s, logits, probabilities, weights, experts);
  // Once more, whichever cases are wanted: all others need its choices.
  const float* noBias = nullptr;
  device::enqueue(s.experts <= 64 ? moe_router_f32_e64 : moe_router_f32_e256, blocks(s.tokens, 4), 128, 0, logits, noBias, 1.0f,
                  probabilities, weights, experts, s.tokens, s.experts, s.topK);
  sort(experts, offsets, load, tokenOf, rowOf);
  requireAllWritten("router" + s.name(), probabilities, weights, experts, offsets, load, tokenOf, rowOf);
  Moved moved(s, rowOf, weights);
  spreads(m, moved);
  for (bool accumulate : {false, true}) combines(m, moved, accumulate);
}

// A router's input, and backward what is added to the layer's gradient.
inline void jitters(MemoryBound& m, int rows, int columns) {
  long long n = (long long)rows * columns;
  Normal<bf16> x(n);
  Zeros<unsigned long long> firstToken(1);
  for (bool accumulate : {false, true}) {
    device::Buffer<bf16> out(n);
    if (accumulate) zero(out.data(), out.bytes());
    m.add({"jitter" + sizes(rows, columns) + (accumulate ? " +=" : ""), "jitter_bf16", (accumulate ? 6.0 : 4.0) * double(n), [&] {
             overElements(jitter_bf16, n, x, 0.99f, 0.02f, 7ull, 3ull, firstToken, (unsigned long long)columns, accumulate, out, n);
           }}, out);
  }
}

}  // namespace bench
