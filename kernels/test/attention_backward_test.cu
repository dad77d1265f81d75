// Checks of nn/attention_backward_queries.cu and nn/attention_backward_keys.cu against double arithmetic.
#include "nn/attention_backward_keys.cu"
#include "nn/attention_backward_queries.cu"

#include "common/launch.cuh"
#include "test/attention_check.h"
#include "test/check.h"

namespace {

using attention_check::Dropout;
using attention_check::Problem;
using attention_check::Shape;

struct Entries {
  decltype(&attention_backward_queries_bf16_d32) queries;
  decltype(&attention_backward_keys_bf16_d32) keys;
  decltype(&attention_backward_queries_dropout_bf16_d32) queriesDropout;
  decltype(&attention_backward_keys_dropout_bf16_d32) keysDropout;
};

template <int D>
std::vector<bf16> launch(const Problem& p, Entries entries) {
  using Queries = QueryGradientTiles<D>;
  using Keys = KeyGradientTiles<D>;
  const Shape& s = p.shape;
  device::Buffer<bf16> Qkv(p.qkv), Out(p.out), Dout(p.dout), Dqkv(p.qkv.size());
  device::Buffer<float> LogSumExp(p.logSumExp);
  device::Buffer<float2> Rows(p.l.size());
  dim3 queries((s.length + Queries::QUERIES - 1) / Queries::QUERIES, s.heads, s.sequences);
  dim3 keys((s.length + Keys::KEYS - 1) / Keys::KEYS, s.heads, s.sequences);
  if (p.dropout.p == 0) {
    device::launch(entries.queries, queries, 128, Queries::SHARED_BYTES, Qkv, Out, LogSumExp, Dout, Rows, Dqkv, s.length,
                   s.heads, s.headWidth, s.scale());
    device::launch(entries.keys, keys, 128, Keys::SHARED_BYTES, Qkv, Dout, Rows, Dqkv, s.length, s.heads, s.headWidth,
                   s.scale());
  } else {
    const Dropout& d = p.dropout;
    device::Buffer<unsigned long long> FirstToken(std::vector<unsigned long long>{d.firstToken});
    device::launch(entries.queriesDropout, queries, 128, Queries::SHARED_BYTES, Qkv, Out, LogSumExp, Dout, Rows, Dqkv,
                   s.length, s.heads, s.headWidth, s.scale(), d.dropBelow(), d.scale(), d.seed, d.stream, FirstToken,
                   d.perToken);
    device::launch(entries.keysDropout, keys, 128, Keys::SHARED_BYTES, Qkv, Dout, Rows, Dqkv, s.length, s.heads, s.headWidth,
                   s.scale(), d.dropBelow(), d.scale(), d.seed, d.stream, FirstToken, d.perToken);
  }
  return Dqkv.toHost();
}

std::vector<bf16> backwardFull(const Problem& p) {
  int d = p.shape.headWidth;
  if (d <= 32)
    return launch<32>(p, {attention_full_backward_queries_bf16_d32, attention_full_backward_keys_bf16_d32,
                          attention_full_backward_queries_dropout_bf16_d32, attention_full_backward_keys_dropout_bf16_d32});
  if (d <= 64)
    return launch<64>(p, {attention_full_backward_queries_bf16_d64, attention_full_backward_keys_bf16_d64,
                          attention_full_backward_queries_dropout_bf16_d64, attention_full_backward_keys_dropout_bf16_d64});
  return launch<128>(p, {attention_full_backward_queries_bf16_d128, attention_full_backward_keys_bf16_d128,
                         attention_full_backward_queries_dropout_bf16_d128, attention_full_backward_keys_dropout_bf16_d128});
}

std::vector<bf16> backward(const Problem& p) {
  int d = p.shape.headWidth;
  if (!p.shape.causal) return backwardFull(p);
  if (d <= 32)
    return launch<32>(p, {attention_backward_queries_bf16_d32, attention_backward_keys_bf16_d32,
                          attention_backward_queries_dropout_bf16_d32, attention_backward_keys_dropout_bf16_d32});
  if (d <= 64)
    return launch<64>(p, {attention_backward_queries_bf16_d64, attention_backward_keys_bf16_d64,
                          attention_backward_queries_dropout_bf16_d64, attention_backward_keys_dropout_bf16_d64});
  return launch<128>(p, {attention_backward_queries_bf16_d128, attention_backward_keys_bf16_d128,
                         attention_backward_queries_dropout_bf16_d128, attention_backward_keys_dropout_bf16_d128});
}

void checkBackward(test::Check& check, Problem p) {
  p.differentiate();
  attention_check::within(check, "dqkv, " + p.shape.name(), backward(p), p.dqkv, p.tolerance());
}

}  // namespace

SPARROW_CHECK(attention, backward_equals_the_derivative) {
  for (int width : {8, 32, 40, 64, 128})
    for (int length : attention_check::LENGTHS)
      checkBackward(check, Problem(check, {length < 100 ? 2 : 1, length, length < 100 ? 3 : 2, width}));
}

SPARROW_CHECK(attention, full_backward_equals_the_derivative) {
  for (int width : {8, 32, 40, 64, 128})
    for (int length : attention_check::LENGTHS)
      checkBackward(check, Problem(check, {length < 100 ? 2 : 1, length, length < 100 ? 3 : 2, width, false}));
  for (int width : {24, 64, 128})
    for (const Dropout& dropout : attention_check::dropouts(check, {2, 81, 2, width, false}))
      checkBackward(check, Problem(check, {2, 81, 2, width, false}, dropout));
}

SPARROW_CHECK(attention, backward_takes_large_scores) {
  for (int width : {32, 64, 128})
    for (bool causal : {true, false}) checkBackward(check, Problem(check, {1, 150, 1, width, causal}, {}, 8.0f));
}

SPARROW_CHECK(attention, backward_drops_probabilities) {
  for (int width : {24, 64, 128})
    for (int length : {17, 129}) {
      Shape shape{2, length, 2, width};
      for (const Dropout& dropout : attention_check::dropouts(check, shape)) checkBackward(check, Problem(check, shape, dropout));
    }
}

SPARROW_CHECK(attention, backward_drops_exactly_what_philox_says) {
  for (Shape shape : {Shape{2, 70, 2, 32}, Shape{1, 129, 2, 64}, Shape{1, 130, 1, 128}, Shape{1, 129, 2, 64, false}})
    for (const Dropout& dropout : attention_check::dropouts(check, shape))
      attention_check::checkBackwardMask(check, shape, dropout, backward);
}

SPARROW_CHECK(attention, backward_keeps_heads_apart) {
  for (int width : {8, 40, 80}) attention_check::checkHeadsApart(check, {2, 66, 2, width}, backward);
}

SPARROW_CHECK(attention, backward_gives_the_same_bits_again) {
  for (int width : {32, 64, 128})
    for (double chance : {0.0, 0.2}) {
      Problem p(check, {2, 131, 2, width}, {chance, 1, 2, 3, 1});
      std::vector<bf16> first = backward(p);
      for (int round = 0; round < 2; round++) check.identical("dqkv", backward(p), first);
    }
}
