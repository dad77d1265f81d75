// Memory-bound kernels against the device's own copy: at GPT-2 124M's sizes (16 sequences of 1024 tokens, width 768,
// vocabulary 50257 in 50304 columns), at those of a large mixture of experts (32768 tokens of width 4096, 4 of 64 experts), the
// optimizer over 124 million weights, and weights of both widths of which a tenth is not zero.
#include "bench/bandwidth_rows.cuh"
#include "bench/bandwidth_sparse.cuh"
#include "bench/bandwidth_tokens.cuh"
#include "optim/adamw.cu"

namespace {

using namespace bench;

// fp32 weights w with their bf16 copy; segments that decay and others in turn, as matrices and vectors follow each other.
void optimizers(MemoryBound& m, long long n, int segments) {
  Normal<float> gradient(n, 0.01f), w(n, 0.02f), first(n, 0.01f), second(n, 1e-5f, 1e-4f);
  device::Buffer<bf16> copy(n);
  std::vector<long long> ends;
  std::vector<int> decays;
  for (int s = 0; s < segments; s++) ends.push_back(n * (s + 1) / segments), decays.push_back(s % 2);
  device::Buffer<long long> segmentEnds(ends);
  device::Buffer<int> segmentDecays(decays);
  device::Buffer<float> segmentRates(std::vector<float>(segments, 1.0f));
  device::Buffer<optimizer::AdamWConstants> adamW(
      std::vector<optimizer::AdamWConstants>{{1 - 1e-5f, 0.9f, 0.1f, 0.95f, 0.05f, 1e-4f, 1.0f, 1e-8f}});
  device::Buffer<float> sgd(std::vector<float>{1e-4f, 0.9f, 0.01f, 0.0f, 1.0f}), scale(std::vector<float>{1.0f});
  auto sgdConstants = reinterpret_cast<const optimizer::SgdConstants*>(sgd.data());
  int count = int(std::min(512ll, (n + 16 * THREADS - 1) / (16 * THREADS)));
  device::Buffer<double> partials(count), norm(1);
  std::string size = " " + std::to_string(n);
  // gradient; w, m and v twice; copy
  m.add({"adamw" + size, "adamw_bf16", (4 + 24 + 2) * double(n), [&] {
           overElements(adamw_bf16, n, adamW, scale, gradient, w, first, second, copy, n, segmentEnds, segmentDecays, segmentRates,
                        segments);
         }}, w, first, second, copy);
  m.add({"sgd" + size, "sgd_bf16", (4 + 16 + 2) * double(n), [&] {
           overElements(sgd_bf16, n, sgdConstants, scale, gradient, w, first, copy, n, segmentEnds, segmentDecays, segmentRates,
                        segments);
         }}, w, first, copy);
  m.add({"squared norm" + size, "squared_norm_partials_f32", 4.0 * double(n), [&] {
           device::enqueue(squared_norm_partials_f32, count, THREADS, 0, gradient, partials, n);
           device::enqueue(sum_partials_f64, 1, THREADS, 0, partials, count, norm);
         }}, norm);
}

void gpt2(MemoryBound& m, int sequences, int length, int heads, int vocabulary, int columns, int chunk) {
  int tokens = sequences * length, width = heads * 64;
  splitTokens(m, sequences, length);
  embeddings(m, tokens, width, vocabulary);
  positions(m, sequences, length, heads, 64);
  norms(m, tokens, width);
  activations(m, tokens, 4 * width);
  elementwiseOperations(m, tokens, width);
  for (int out : {width, 3 * width, 4 * width}) biasGradient(m, tokens, out);
  crossEntropy(m, chunk, vocabulary, columns);
  sumOfLosses(m, tokens);
}

void large(MemoryBound& m, const MoeSizes& s, int hidden) {
  norms(m, s.tokens, s.width);
  elementwiseOperations(m, s.tokens, s.width);
  activations(m, s.tokens * s.topK, hidden);
  crossEntropy(m, s.tokens / 8, 50257, 50304);
  positions(m, s.tokens / 4096, 4096, s.width / 128, 128);
  embeddings(m, s.tokens, s.width, 50304);
  biasGradient(m, s.tokens, s.width);
  jitters(m, s.tokens, s.width);
  moves(m, s);
}

void measure(Report& report) {
  Stopwatch stopwatch(report.smoke());
  MemoryBound m(report, stopwatch);
  if (report.smoke()) {
    gpt2(m, 3, 41, 2, 300, 304, 5);
    moves(m, {70, 72, 5, 2});
    jitters(m, 70, 72);
    optimizers(m, 5003, 3);
    sparseWeights(m, {36, 40, 7, 4});
  } else {
    optimizers(m, 124475904, 148);
    gpt2(m, 16, 1024, 12, 50257, 50304, 656);
    large(m, {32768, 4096, 64, 4}, 1024);
    sparseWeights(m, {3072, 768, 77, 1});
    for (int groupRows : {1, 4}) sparseWeights(m, {16384, 4096, 410, groupRows});
  }
  m.goals();
}

}  // namespace

int main(int count, char** arguments) { return bench::run(count, arguments, "bandwidth", measure); }
