// Checks of nn/attention.cu against double arithmetic.
#include "nn/attention.cu"

#include "common/launch.cuh"
#include "test/check.h"

namespace {

template <int D>
void checkForward(test::Check& check, int sequences, int length, int heads, float spread) {
  int width = heads * D;
  float scale = float(1 / std::sqrt(double(D)));
  auto qkv = check.normal<bf16>(size_t(sequences) * length * 3 * width, spread);
  device::Buffer<bf16> Qkv(qkv), Out(size_t(sequences) * length * width);
  device::Buffer<float> LogSumExp(size_t(sequences) * heads * length);
  auto kernel = D == 64 ? attention_forward_bf16_d64 : attention_forward_bf16_d128;
  device::launch(kernel, dim3((length + 63) / 64, heads, sequences), 128, Attention<D>::SHARED_BYTES, Qkv, Out, LogSumExp,
                 length, heads, scale);

  std::vector<double> out(size_t(sequences) * length * width), logSumExp(size_t(sequences) * heads * length);
  auto at = [&](int sequence, int position, int part, int head, int d) {
    return double(toFloat(qkv[((size_t(sequence) * length + position) * 3 + part) * width + head * D + d]));
  };
  std::vector<double> scores(length);
  for (int sequence = 0; sequence < sequences; sequence++)
    for (int head = 0; head < heads; head++)
      for (int i = 0; i < length; i++) {
        double max = -INFINITY, sum = 0;
        for (int j = 0; j <= i; j++) {
          scores[j] = 0;
          for (int d = 0; d < D; d++) scores[j] += at(sequence, i, 0, head, d) * at(sequence, j, 1, head, d) * scale;
          max = std::max(max, scores[j]);
        }
        for (int j = 0; j <= i; j++) sum += scores[j] = std::exp(scores[j] - max);
        logSumExp[(size_t(sequence) * heads + head) * length + i] = max + std::log(sum);
        for (int j = 0; j <= i; j++)
          for (int d = 0; d < D; d++)
            out[(size_t(sequence) * length + i) * width + head * D + d] += scores[j] / sum * at(sequence, j, 2, head, d);
      }
  std::string what = "D " + std::to_string(D) + ", length " + std::to_string(length);
  // Probabilities are rounded to bf16 before they meet the values: 2^-9 of a mean of values of order spread, and the result.
  check.near("out, " + what, Out.toHost(), out, 0.006 * spread, 0.0060);
  check.near("logSumExp, " + what, LogSumExp.toHost(), logSumExp, 1e-4, 1e-5);
}

}  // namespace

SPARROW_CHECK(attention, forward_equals_softmax_of_the_keys_up_to_the_query) {
  for (int length : {1, 7, 63, 64, 65, 130}) checkForward<64>(check, 2, length, 2, 1.0f);
  for (int length : {5, 64, 100}) checkForward<128>(check, 1, length, 1, 1.0f);
}

// Scores of some hundreds: without the running maximum their exponentials overflow.
SPARROW_CHECK(attention, forward_takes_large_scores) { checkForward<64>(check, 1, 150, 1, 8.0f); }

SPARROW_CHECK(attention, keys_after_the_query_do_not_matter) {
  int length = 100, heads = 1, width = 64, changed = 70;
  auto qkv = check.normal<bf16>(size_t(length) * 3 * width);
  std::vector<bf16> before;
  for (int round = 0; round < 2; round++) {
    device::Buffer<bf16> Qkv(qkv), Out(size_t(length) * width);
    device::Buffer<float> LogSumExp(length);
    device::launch(attention_forward_bf16_d64, dim3(2, heads, 1), 128, Attention<64>::SHARED_BYTES, Qkv, Out, LogSumExp, length,
                   heads, 0.125f);
    std::vector<bf16> out = Out.toHost();
    out.resize(size_t(changed) * width);
    if (round == 0) before = out;
    else check.identical("rows before the change", out, before);
    for (int i = changed; i < length; i++)
      for (int c = width; c < 3 * width; c++) qkv[size_t(i) * 3 * width + c] = check.normal<bf16>(1, 50.0f)[0];
  }
}
