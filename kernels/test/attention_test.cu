// Checks of nn/attention.cu against double arithmetic.
#include "nn/attention.cu"

#include "common/launch.cuh"
#include "test/attention_check.h"
#include "test/check.h"

namespace {

using attention_check::Dropout;
using attention_check::Problem;
using attention_check::Shape;

struct Result {
  std::vector<bf16> out;
  std::vector<float> logSumExp;
};

template <int D, class Plain, class Dropping>
Result launch(const Problem& p, Plain plain, Dropping dropping) {
  const Shape& s = p.shape;
  device::Buffer<bf16> Qkv(p.qkv), Out(p.dout.size());
  device::Buffer<float> LogSumExp(p.l.size());
  dim3 grid((s.length + 127) / 128, s.heads, s.sequences);
  if (p.dropout.p == 0) {
    device::launch(plain, grid, 128, ForwardTiles<D>::SHARED_BYTES, Qkv, Out, LogSumExp, s.length, s.heads, s.headWidth,
                   s.scale());
  } else {
    device::Buffer<unsigned long long> FirstToken(std::vector<unsigned long long>{p.dropout.firstToken});
    device::launch(dropping, grid, 128, ForwardTiles<D>::SHARED_BYTES, Qkv, Out, LogSumExp, s.length, s.heads, s.headWidth,
                   s.scale(), p.dropout.dropBelow(), p.dropout.scale(), p.dropout.seed, p.dropout.stream, FirstToken,
                   p.dropout.perToken);
  }
  return {Out.toHost(), LogSumExp.toHost()};
}

Result forwardFull(const Problem& p) {
  int d = p.shape.headWidth;
  if (d <= 32) return launch<32>(p, attention_full_forward_bf16_d32, attention_full_forward_dropout_bf16_d32);
  if (d <= 64) return launch<64>(p, attention_full_forward_bf16_d64, attention_full_forward_dropout_bf16_d64);
  return launch<128>(p, attention_full_forward_bf16_d128, attention_full_forward_dropout_bf16_d128);
}

Result forward(const Problem& p) {
  int d = p.shape.headWidth;
  if (!p.shape.causal) return forwardFull(p);
  if (d <= 32) return launch<32>(p, attention_forward_bf16_d32, attention_forward_dropout_bf16_d32);
  if (d <= 64) return launch<64>(p, attention_forward_bf16_d64, attention_forward_dropout_bf16_d64);
  return launch<128>(p, attention_forward_bf16_d128, attention_forward_dropout_bf16_d128);
}

void checkForward(test::Check& check, const Problem& p) {
  Result result = forward(p);
  attention_check::within(check, "out, " + p.shape.name(), result.out, p.o, p.tolerance());
  // fp32 scores and their sum.
  check.near("logSumExp, " + p.shape.name(), result.logSumExp, p.l, 1e-5 + 0x1p-21 * p.largestScore, 1e-6);
}

}  // namespace

SPARROW_CHECK(attention, forward_equals_softmax_of_the_keys_up_to_the_query) {
  for (int width : {8, 32, 40, 64, 128})
    for (int length : attention_check::LENGTHS)
      checkForward(check, Problem(check, {length < 100 ? 2 : 1, length, length < 100 ? 3 : 2, width}));
}

SPARROW_CHECK(attention, full_forward_equals_softmax_of_all_keys) {
  for (int width : {8, 32, 40, 64, 128})
    for (int length : attention_check::LENGTHS)
      checkForward(check, Problem(check, {length < 100 ? 2 : 1, length, length < 100 ? 3 : 2, width, false}));
  for (int width : {24, 64, 128})
    for (const Dropout& dropout : attention_check::dropouts(check, {2, 81, 2, width, false}))
      checkForward(check, Problem(check, {2, 81, 2, width, false}, dropout));
}

// Scores of some hundreds: without the running maximum their exponentials overflow.
SPARROW_CHECK(attention, forward_takes_large_scores) {
  for (int width : {32, 64, 128})
    for (bool causal : {true, false}) checkForward(check, Problem(check, {1, 150, 1, width, causal}, {}, 8.0f));
}

SPARROW_CHECK(attention, forward_drops_probabilities) {
  for (int width : {24, 64, 128})
    for (int length : {17, 129}) {
      Shape shape{2, length, 2, width};
      for (const Dropout& dropout : attention_check::dropouts(check, shape)) checkForward(check, Problem(check, shape, dropout));
    }
}

SPARROW_CHECK(attention, forward_drops_exactly_what_philox_says) {
  for (Shape shape : {Shape{2, 70, 2, 32}, Shape{1, 129, 2, 64}, Shape{1, 200, 1, 128}, Shape{1, 129, 2, 64, false}})
    for (const Dropout& dropout : attention_check::dropouts(check, shape))
      attention_check::checkForwardMask(check, shape, dropout, [](const Problem& p) { return forward(p).out; });
}

SPARROW_CHECK(attention, forward_keeps_heads_apart) {
  for (int width : {8, 40, 80})
    attention_check::checkHeadsApart(check, {2, 66, 2, width}, [](const Problem& p) { return forward(p).out; });
}

SPARROW_CHECK(attention, forward_gives_the_same_bits_again) {
  for (int width : {32, 64, 128})
    for (double chance : {0.0, 0.2}) {
      Problem p(check, {2, 131, 2, width}, {chance, 1, 2, 3, 1});
      Result first = forward(p);
      for (int round = 0; round < 2; round++) {
        Result again = forward(p);
        check.identical("out", again.out, first.out);
        check.identical("logSumExp", again.logSumExp, first.logSumExp);
      }
    }
}

SPARROW_CHECK(attention, forward_without_log_sum_exp) {
  Problem p(check, {1, 70, 2, 64});
  device::Buffer<bf16> Qkv(p.qkv), Out(p.dout.size());
  device::launch(attention_forward_bf16_d64, dim3(1, 2, 1), 128, ForwardTiles<64>::SHARED_BYTES, Qkv, Out,
                 static_cast<float*>(nullptr), 70, 2, 64, p.shape.scale());
  check.identical("out", Out.toHost(), forward(p).out);
}

SPARROW_CHECK(attention, keys_after_the_query_do_not_matter) {
  Problem p(check, {1, 150, 1, 64});
  int changed = 70, width = 64;
  std::vector<bf16> before;
  for (int round = 0; round < 2; round++) {
    std::vector<bf16> out = forward(p).out;
    out.resize(size_t(changed) * width);
    if (round == 0) before = out;
    else check.identical("rows before the change", out, before);
    for (size_t i = p.packed(0, 0, changed, 1); i < p.qkv.size(); i++)
      if (i / width % 3 != 0) p.qkv[i] = check.normal<bf16>(1, 50.0f)[0];
  }
}
