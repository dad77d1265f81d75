// Dense products in bf16 against cuBLAS on the same operands; products that do on their way out what a pass over their result
// would do; and a router's products against plain arithmetic in fp32.
#include "bench/gemm.cuh"
#include "bench/router_products.cuh"
#include "gemm/plain_gemm.cu"
#include "nn/activation.cu"
#include "nn/elementwise.cu"

namespace {

using namespace bench;

// Times what the backend launches and, if asked, the product by mma.sync where that is another one. Returns the ratio of the
// first to cuBLAS.
double dense(Report& report, Stopwatch& stopwatch, Product p, bool alsoMma) {
  std::string name = std::string("dense ") + nameOf(p.form) + " " + p.sizes() + (p.accumulate ? " +=" : "");
  if (!report.wants(name)) return UNKNOWN;
  ProductMemory memory(p);
  GemmLaunch ours(p);
  MmaLaunch mma(p);
  bool both = alsoMma && mma.name() != ours.kernel;
  std::vector<Body> bodies = {ours};
  if (both) bodies.push_back(mma);
  for (const Body& body : bodies) memory.require(name, p, body);
  CuBlas* cublas = CuBlas::open();
  if (cublas != nullptr) bodies.push_back(cublasOf(cublas, p));
  auto times = stopwatch.turns(bodies);
  double baseline = cublas == nullptr ? UNKNOWN : rate(p.flops(), times.back().median(), TERAFLOPS);
  if (both) report.add({name + " mma.sync", mma.name(), p.flops(), TERAFLOPS, times[1], baseline});
  return report.add({name, ours.kernel, p.flops(), TERAFLOPS, times[0], baseline});
}

Product product(Form form, int m, int n, int k, bool accumulate = false) {
  Product p = {form, m, n, k};
  p.accumulate = accumulate;
  return p;
}

// The least ratio of the three forms.
double square(Report& report, Stopwatch& stopwatch, int size) {
  Spread ratios;
  for (Form form : {NT, NN, TN}) ratios.add(dense(report, stopwatch, product(form, size, size, size), true));
  return ratios.least();
}

// A linear layer's three products; the weight's gradient is added to, as in training.
void linear(Report& report, Stopwatch& stopwatch, int tokens, int out, int in, Spread& ratios) {
  ratios.add(dense(report, stopwatch, product(NT, tokens, out, in), false));
  ratios.add(dense(report, stopwatch, product(NN, tokens, in, out), false));
  ratios.add(dense(report, stopwatch, product(TN, out, in, tokens, true), false));
}

constexpr double ROUNDED_TWICE = 0.02;  // 2^-9 of the largest sums, which are some deviations

// A product with something done on its way out, against the product without and a pass of its own: apart(p) makes the body of
// that, which leaves the same in C, of p with its memory. The weight's deviation makes results about 1, where nonlinearities are
// worth their name. Returns the ratio of the rates.
template <class Apart>
double fused(Report& report, Stopwatch& stopwatch, const char* what, Product p, Apart apart) {
  std::string name = std::string("fused ") + nameOf(p.form) + " " + p.sizes() + " " + what;
  if (!report.wants(name)) return UNKNOWN;
  p.deviationB = 1 / std::sqrt(float(p.k));
  ProductMemory memory(p);
  GemmLaunch launch(p);
  Body other = apart(p);
  memory.require(name, p, launch);
  memory.require(name + ", apart", p, other, {}, ROUNDED_TWICE);
  auto times = stopwatch.turns({launch, other});
  return report.add({name, launch.kernel, p.flops(), TERAFLOPS, times[0], rate(p.flops(), times[1].median(), TERAFLOPS)});
}

Body both(const Body& first, const Body& second) {
  return [=] { first(), second(); };
}

// What a feed-forward of GPT-2's kind has of them, and an attention's output projection the last: h = x·Upᵀ + bias and f(h);
// dh = (dy·Down) ⊙ f'(h); y = a·Downᵀ + bias + the residual stream.
void feedForward(Report& report, Stopwatch& stopwatch, int tokens, int width, int hidden, Spread& ratios) {
  size_t wide = size_t(tokens) * hidden, narrow = size_t(tokens) * width;
  Normal<bf16> bias(std::max(width, hidden)), residual(narrow);
  Product up = product(NT, tokens, hidden, width), slope = product(NN, tokens, hidden, width);
  Product down = product(NT, tokens, width, hidden);
  up.epilogue = {bias, nullptr, nullptr, GEMM_GELU};
  slope.epilogue.activation = GEMM_GELU;
  down.epilogue = {bias, residual};
  ratios.add(fused(report, stopwatch, "bias, gelu", up, [&](Product p) {
    bf16 *h = p.epilogue.preactivation, *y = static_cast<bf16*>(p.c);
    p.c = h, p.epilogue = {bias};
    return both(GemmLaunch(p), [=] { overElements(gelu_bf16, wide, h, y, wide); });
  }));
  ratios.add(fused(report, stopwatch, "gelu's slope", slope, [&](Product p) {
    bf16 *h = p.epilogue.preactivation, *dh = static_cast<bf16*>(p.c);
    p.epilogue = {};
    return both(GemmLaunch(p), [=] { overElements(gelu_backward_bf16, wide, h, dh, dh, wide); });
  }));
  ratios.add(fused(report, stopwatch, "bias, residual", down, [&](Product p) {
    const bf16* from = residual;
    bf16* y = static_cast<bf16*>(p.c);
    p.epilogue = {bias};
    return both(GemmLaunch(p), [=] { overElements(add_bf16, narrow, from, y, y, narrow); });
  }));
}

GemmArguments plainArguments(int m, int n, int k, const void* a, int strideA, const void* b, int strideB, void* c) {
  GemmArguments g = {};
  g.a = static_cast<const bf16*>(a), g.b = static_cast<const bf16*>(b), g.c = c;
  g.strideA = strideA, g.strideB = strideB, g.strideC = n;
  g.m = m, g.n = n, g.k = k, g.groups = 1;
  return g;
}

// A router's operands, and its results in both ways.
struct RouterMemory {
  Normal<bf16> x;
  Normal<float> w, dlogits;
  device::Buffer<float> logits, plainLogits;
  Zeros<float> dw, plainDw;
  Zeros<bf16> dx, plainDx;

  RouterMemory(int tokens, int width, int experts)
      : x(size_t(tokens) * width), w(size_t(experts) * width, 0.02f), dlogits(size_t(tokens) * experts), logits(dlogits.size()),
        plainLogits(logits.size()), dw(w.size()), plainDw(w.size()), dx(x.size()), plainDx(x.size()) {}

  // After one run of each product in both ways. Sums of so many terms, of deviation 0.02, 1 and 0.02; dx is rounded to bf16.
  void requireSameResults(const std::string& what, int tokens, int width, int experts) const {
    requireAllWritten(what, logits, plainLogits);
    requireSame(what + ", logits", logits, plainLogits, 2e-6f * std::sqrt(float(width)), 1e-4f);
    requireSame(what + ", weight gradient", dw, plainDw, 1e-4f * std::sqrt(float(tokens)), 1e-4f);
    requireSame(what + ", input gradient", dx, plainDx, 2e-5f * std::sqrt(float(experts)), 0.01f);
  }
};

struct RouterCase {
  std::string name;
  const char* kernel;
  Body split, plain;
};

// The baseline is the same product in plain fp32 arithmetic, whole; split times include the splitting.
void router(Report& report, Stopwatch& stopwatch, int tokens, int width, int experts) {
  std::string shape = " T" + std::to_string(tokens) + " d" + std::to_string(width) + " E" + std::to_string(experts);
  std::string logits = "router logits" + shape, weight = "router weight gradient" + shape, input = "router input gradient" + shape;
  if (!report.wants(logits) && !report.wants(weight) && !report.wants(input)) return;
  RouterMemory r(tokens, width, experts);
  RouterProducts products(tokens, width, experts);
  auto plain = [](void (*kernel)(GemmArguments), GemmArguments g, bool accumulate) -> Body {
    g.accumulate = accumulate;
    return [=] { device::enqueue(kernel, 4 * device::multiprocessors(), Tall::THREADS, 0, g); };
  };
  const RouterCase cases[] = {
      {logits, "split nt", [&] { products.logits(r.x, r.w, r.logits); },
       plain(plain_gemm_nt_bf16_f32_f32, plainArguments(tokens, experts, width, r.x, width, r.w, width, r.plainLogits), false)},
      {weight, "split tn", [&] { products.weightGradient(r.dlogits, r.x, r.dw); },
       plain(plain_gemm_tn_f32_bf16_f32, plainArguments(experts, width, tokens, r.dlogits, experts, r.x, width, r.plainDw), true)},
      {input, "split nn", [&] { products.inputGradient(r.dlogits, r.w, r.dx); },
       plain(plain_gemm_nn_f32_f32_bf16, plainArguments(tokens, width, experts, r.dlogits, experts, r.w, width, r.plainDx), true)}};
  for (const RouterCase& c : cases) c.split(), c.plain();
  r.requireSameResults("router" + shape, tokens, width, experts);
  for (const RouterCase& c : cases) {
    if (!report.wants(c.name)) continue;
    auto times = stopwatch.turns({c.split, c.plain});
    double baseline = rate(products.flops(), times[1].median(), TERAFLOPS);
    report.add({c.name, c.kernel, products.flops(), TERAFLOPS, times[0], baseline});
  }
}

void measure(Report& report) {
  Stopwatch stopwatch(report.smoke());
  if (CuBlas::open() == nullptr) report.note("# no cuBLAS, no baseline: put the folder of libcublas.so into LD_LIBRARY_PATH");
  Spread gpt2, fused;
  if (report.smoke()) {
    report.atLeast("dense GEMM over cuBLAS, least of nt, nn, tn", 0.95, square(report, stopwatch, 72));
    linear(report, stopwatch, 136, 24, 40, gpt2);
    feedForward(report, stopwatch, 136, 24, 72, fused);
    router(report, stopwatch, 1100, 72, 5);
    return;
  }
  report.atLeast("GEMM 8192x8192x8192 over cuBLAS, least of nt, nn, tn", 0.95, square(report, stopwatch, 8192));
  for (int size : {4096, 2048}) square(report, stopwatch, size);
  const int tokens = 16 * 1024, width = 768;
  linear(report, stopwatch, tokens, 3 * width, width, gpt2);
  linear(report, stopwatch, tokens, width, width, gpt2);
  linear(report, stopwatch, tokens, 4 * width, width, gpt2);
  linear(report, stopwatch, tokens, width, 4 * width, gpt2);
  linear(report, stopwatch, 656, 50304, width, gpt2);  // a chunk of the head's logits
  if (gpt2.known()) report.note("# mean of GPT-2 124M's layers over cuBLAS: " + std::to_string(gpt2.mean()));
  feedForward(report, stopwatch, tokens, width, 4 * width, fused);
  feedForward(report, stopwatch, 8192, 4096, 16384, fused);
  if (fused.known()) report.note("# mean of fused products over a pass of their own: " + std::to_string(fused.mean()));
  router(report, stopwatch, 32768, 4096, 64);
  router(report, stopwatch, 32768, 2048, 8);
  router(report, stopwatch, 16384, 768, 64);
}

}  // namespace

int main(int count, char** arguments) { return bench::run(count, arguments, "gemm", measure); }
