// Checks of nn/attention_plain.cu against double arithmetic.
#include "nn/attention_plain.cu"

#include "common/launch.cuh"
#include "test/attention_check.h"
#include "test/check.h"

namespace {

using attention_check::Dropout;
using attention_check::Problem;
using attention_check::Shape;

// An array that starts `offset` elements behind an aligned address.
struct Window {
  device::Buffer<bf16> buffer;
  int offset;

  Window(const std::vector<bf16>& values, int offset_) : buffer(shifted(values, offset_)), offset(offset_) {}
  Window(size_t size, int offset_) : buffer(size + offset_), offset(offset_) {}
  bf16* data() const { return buffer.data() + offset; }
  std::vector<bf16> toHost() const {
    auto all = buffer.toHost();
    return std::vector<bf16>(all.begin() + offset, all.end());
  }

  static std::vector<bf16> shifted(std::vector<bf16> values, int offset) {
    values.insert(values.begin(), offset, fromFloat<bf16>(NAN));
    return values;
  }
};

struct Result {
  std::vector<bf16> out, dqkv;
  std::vector<float> logSumExp;
};

Result run(const Problem& p, int offset = 0) {
  const Shape& s = p.shape;
  const Dropout& d = p.dropout;
  Window Qkv(p.qkv, offset), Given(p.out, offset), Dout(p.dout, offset), Out(p.dout.size(), offset), Dqkv(p.qkv.size(), offset);
  device::Buffer<float> LogSumExp(p.l.size()), GivenLogSumExp(p.logSumExp);
  device::Buffer<float2> Rows(p.l.size());
  device::Buffer<unsigned long long> FirstToken(std::vector<unsigned long long>{d.firstToken});
  const unsigned long long* first = d.p == 0 ? nullptr : FirstToken.data();
  dim3 grid((s.length + 7) / 8, s.heads, s.sequences);
  int shared = attention_plain::sharedBytes(s.headWidth);
  device::launch(attention_plain_forward_bf16, grid, 256, shared, Qkv.data(), Out.data(), LogSumExp, s.length, s.heads,
                 s.headWidth, int(s.causal), s.scale(), d.dropBelow(), d.scale(), d.seed, d.stream, first, d.perToken);
  device::launch(attention_plain_backward_queries_bf16, grid, 256, shared, Qkv.data(), Given.data(), GivenLogSumExp, Dout.data(),
                 Rows, Dqkv.data(), s.length, s.heads, s.headWidth, int(s.causal), s.scale(), d.dropBelow(), d.scale(), d.seed,
                 d.stream, first, d.perToken);
  device::launch(attention_plain_backward_keys_bf16, grid, 256, shared, Qkv.data(), Dout.data(), Rows, Dqkv.data(), s.length,
                 s.heads, s.headWidth, int(s.causal), s.scale(), d.dropBelow(), d.scale(), d.seed, d.stream, first, d.perToken);
  return {Out.toHost(), Dqkv.toHost(), LogSumExp.toHost()};
}

void checkBoth(test::Check& check, Problem p, int offset = 0) {
  p.differentiate();
  Result result = run(p, offset);
  attention_check::within(check, "out, " + p.shape.name(), result.out, p.o, p.tolerance());
  check.near("logSumExp, " + p.shape.name(), result.logSumExp, p.l, 1e-5 + 0x1p-21 * p.largestScore, 1e-6);
  attention_check::within(check, "dqkv, " + p.shape.name(), result.dqkv, p.dqkv, p.tolerance());
}

}  // namespace

// Odd widths, around a lane's 32 columns and at the most; lengths around a block's 8 rows and a tile's 32.
SPARROW_CHECK(attention, plain_equals_softmax_and_its_derivative) {
  for (int width : {1, 5, 7, 17, 80})
    for (int length : attention_check::LENGTHS)
      checkBoth(check, Problem(check, {length < 20 ? 2 : 1, length, length < 100 ? 2 : 1, width}), width % 2);
  for (int width : {31, 32, 33, 255, 256})
    for (int length : {7, 8, 9, 31, 32, 33}) checkBoth(check, Problem(check, {1, length, 2, width}));
}

SPARROW_CHECK(attention, full_plain_equals_softmax_and_its_derivative) {
  for (int width : {1, 5, 80})
    for (int length : attention_check::LENGTHS)
      checkBoth(check, Problem(check, {length < 20 ? 2 : 1, length, length < 100 ? 2 : 1, width, false}), width % 2);
  for (const Dropout& dropout : attention_check::dropouts(check, {2, 40, 2, 33, false}))
    checkBoth(check, Problem(check, {2, 40, 2, 33, false}, dropout));
}

SPARROW_CHECK(attention, plain_takes_large_scores) {
  for (int width : {17, 256})
    for (bool causal : {true, false}) checkBoth(check, Problem(check, {1, 100, 1, width, causal}, {}, 8.0f));
}

SPARROW_CHECK(attention, plain_drops_probabilities) {
  for (int width : {5, 80})
    for (int length : {17, 40}) {
      Shape shape{2, length, 2, width};
      for (const Dropout& dropout : attention_check::dropouts(check, shape)) checkBoth(check, Problem(check, shape, dropout));
    }
}

SPARROW_CHECK(attention, plain_drops_exactly_what_philox_says) {
  for (Shape shape : {Shape{1, 35, 2, 17}, Shape{1, 35, 2, 17, false}})
    for (const Dropout& dropout : attention_check::dropouts(check, shape)) {
      attention_check::checkForwardMask(check, shape, dropout, [](const Problem& p) { return run(p).out; });
      attention_check::checkBackwardMask(check, shape, dropout, [](const Problem& p) { return run(p).dqkv; });
    }
}

SPARROW_CHECK(attention, plain_keeps_heads_apart) {
  attention_check::checkHeadsApart(check, {2, 34, 2, 7}, [](const Problem& p) { return run(p).out; });
  attention_check::checkHeadsApart(check, {2, 34, 2, 7}, [](const Problem& p) { return run(p).dqkv; });
}

SPARROW_CHECK(attention, plain_gives_the_same_bits_again) {
  for (double chance : {0.0, 0.2}) {
    Problem p(check, {2, 67, 2, 33}, {chance, 1, 2, 3, 1});
    Result first = run(p);
    for (int round = 0; round < 2; round++) {
      Result again = run(p);
      check.identical("out", again.out, first.out);
      check.identical("dqkv", again.dqkv, first.dqkv);
    }
  }
}
