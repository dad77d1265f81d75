// Causal attention: forward and backward on tensor cores, and over a key-value cache, as gpu-core's CudaAttentionOps launches
// them. Operations are those of the causal half: forward two products, 2·B·H·L²·D; backward five, 5·B·H·L²·D, although our two
// kernels compute seven. A cached step is a matter of bytes: the keys and values of the past, read once.
#include "nn/attention.cu"
#include "nn/attention_backward_keys.cu"
#include "nn/attention_backward_queries.cu"
#include "nn/attention_cached.cu"

#include "bench/attention_samples.cuh"
#include "bench/copy.cuh"

namespace {

using namespace bench;

struct Shape {
  int sequences, heads, length, headWidth;

  int width() const { return heads * headWidth; }
  size_t tokens() const { return size_t(sequences) * length; }
  float scale() const { return 1 / std::sqrt(float(headWidth)); }
  double squares() const { return double(sequences) * heads * length * length * headWidth; }
  dim3 grid(int rowsOfBlock) const { return dim3((length + rowsOfBlock - 1) / rowsOfBlock, heads, sequences); }
  std::string name() const {
    return " B" + std::to_string(sequences) + " H" + std::to_string(heads) + " L" + std::to_string(length) + " D" +
           std::to_string(headWidth);
  }
};

// The kernels of one head width; they serve those below by zeros.
struct Kernels {
  void (*forward)(const bf16*, bf16*, float*, int, int, int, float);
  void (*queries)(const bf16*, const bf16*, const float*, const bf16*, float2*, bf16*, int, int, int, float);
  void (*keys)(const bf16*, const bf16*, const float2*, bf16*, int, int, int, float);
  int forwardRows, queryRows, keyRows;
  size_t forwardBytes, queryBytes, keyBytes;

  template <int D>
  static Kernels of(decltype(forward) f, decltype(queries) q, decltype(keys) k) {
    using F = ForwardTiles<D>;
    using Q = QueryGradientTiles<D>;
    using K = KeyGradientTiles<D>;
    return {f, q, k, F::QUERIES, Q::QUERIES, K::KEYS, F::SHARED_BYTES, Q::SHARED_BYTES, K::SHARED_BYTES};
  }

  static Kernels forWidth(int d) {
    if (d <= 32) return of<32>(attention_forward_bf16_d32, attention_backward_queries_bf16_d32, attention_backward_keys_bf16_d32);
    if (d <= 64) return of<64>(attention_forward_bf16_d64, attention_backward_queries_bf16_d64, attention_backward_keys_bf16_d64);
    return of<128>(attention_forward_bf16_d128, attention_backward_queries_bf16_d128, attention_backward_keys_bf16_d128);
  }
};

// One attention's tensors.
struct Attention {
  Shape shape;
  Kernels kernels;
  Normal<bf16> qkv, dout;
  device::Buffer<bf16> out, dqkv;
  device::Buffer<float> logSumExp;
  device::Buffer<float2> rows;

  explicit Attention(const Shape& s)
      : shape(s), kernels(Kernels::forWidth(s.headWidth)), qkv(3 * s.tokens() * s.width()), dout(s.tokens() * s.width()),
        out(dout.size()), dqkv(qkv.size()), logSumExp(s.tokens() * s.heads), rows(logSumExp.size()) {}

  AttentionTensors tensors() const {
    return {qkv, out, dout, dqkv, logSumExp, shape.length, shape.heads, shape.headWidth, shape.scale()};
  }

  void forward() const {
    device::enqueue(kernels.forward, shape.grid(kernels.forwardRows), 128, kernels.forwardBytes, qkv, out, logSumExp,
                    shape.length, shape.heads, shape.headWidth, shape.scale());
  }
  void backward() const {
    device::enqueue(kernels.queries, shape.grid(kernels.queryRows), 128, kernels.queryBytes, qkv, out, logSumExp, dout, rows, dqkv,
                    shape.length, shape.heads, shape.headWidth, shape.scale());
    device::enqueue(kernels.keys, shape.grid(kernels.keyRows), 128, kernels.keyBytes, qkv, dout, rows, dqkv, shape.length,
                    shape.heads, shape.headWidth, shape.scale());
  }
};

// Ratios to the peer of both passes.
void wholeSequences(Report& report, Stopwatch& stopwatch, const Shape& s, Spread& forwards, Spread& backwards) {
  std::string forward = "attention forward" + s.name(), backward = "attention backward" + s.name();
  if (!report.wants(forward) && !report.wants(backward)) return;
  Attention attention(s);
  attention.forward();
  attention.backward();
  requireAllWritten("attention" + s.name(), attention.out, attention.logSumExp, attention.dqkv);
  requireAttention("attention" + s.name(), attention.tensors(), s.sequences);
  auto times = stopwatch.turns({[&] { attention.forward(); }, [&] { attention.backward(); }});
  Case cases[] = {{forward, "attention_forward", 2 * s.squares(), TERAFLOPS, times[0]},
                  {backward, "attention_backward_queries, _keys", 5 * s.squares(), TERAFLOPS, times[1]}};
  for (const Case& c : cases) report.add(c);
  forwards.add(report.peerRatio(cases[0]));
  backwards.add(report.peerRatio(cases[1]));
}

// One new token of each sequence after length others. Returns the rate's ratio to the copy's.
double decode(Report& report, Stopwatch& stopwatch, const Shape& s, double copyRate) {
  std::string name = "attention decode" + s.name();
  if (!report.wants(name)) return UNKNOWN;
  int capacity = s.length + 1, warps = THREADS / 32;
  size_t row = s.width(), sequences = s.sequences;
  Normal<bf16> qkv(3 * sequences * row), keys(sequences * capacity * row), values(keys.size());
  device::Buffer<bf16> out(sequences * row);
  Body step = [&] {
    device::enqueue(attention_cached_bf16, dim3(1, s.heads, s.sequences), THREADS, warps * (s.headWidth + 2) * sizeof(float), qkv,
                    keys, values, out, 1, s.heads, s.headWidth, capacity, s.length, s.scale());
  };
  step();
  requireAllWritten(name, out, keys, values);
  // The past; the new token's queries, keys and values; its appended keys and values, and out.
  double bytes = 2.0 * double(row) * double(sequences) * (2 * s.length + 3 + 2 + 1);
  return report.add({name, "attention_cached_bf16", bytes, GIGABYTES, timesOf(stopwatch, step), copyRate});
}

void measure(Report& report) {
  Stopwatch stopwatch(report.smoke());
  std::vector<Shape> whole = {{16, 12, 1024, 64}, {4, 16, 4096, 128}, {1, 32, 16384, 128}, {8, 16, 2048, 64}, {2, 16, 8192, 128}};
  std::vector<Shape> cached = {{16, 12, 1023, 64}, {64, 32, 4096, 128}, {1, 32, 65536, 128}, {1, 12, 1023, 64}};
  if (report.smoke()) whole = {{2, 2, 70, 32}, {1, 2, 65, 64}, {1, 1, 130, 128}}, cached = {{2, 2, 37, 64}};
  Spread forwards, backwards;
  for (const Shape& s : whole) wholeSequences(report, stopwatch, s, forwards, backwards);
  report.atLeast("attention forward over PyTorch's, least", 0.6, forwards.least());
  report.atLeast("attention backward over PyTorch's, least", 0.6, backwards.least());
  DeviceCopy copy(report.smoke());
  double copyRate = copy.measure(report, stopwatch);
  Spread decodes;  // a small cache is a matter of latency: what counts is what large ones reach
  for (const Shape& s : cached) decodes.add(decode(report, stopwatch, s, copyRate));
  report.atLeast("attention decode over the copy, best", 0.85, decodes.most());
}

}  // namespace

int main(int count, char** arguments) { return bench::run(count, arguments, "attention", measure); }
