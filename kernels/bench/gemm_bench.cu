// Dense products in bf16 against cuBLAS on the same operands, and a router's products against plain arithmetic in fp32.
#include "bench/gemm.cuh"
#include "bench/router_products.cuh"
#include "gemm/plain_gemm.cu"

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
  Product p = {form, m, n, k, nullptr, nullptr, nullptr};
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

GemmArguments plainArguments(int m, int n, int k, const void* a, int strideA, const void* b, int strideB, void* c) {
  GemmArguments g = {};
  g.a = static_cast<const bf16*>(a), g.b = static_cast<const bf16*>(b), g.c = c;
  g.strideA = strideA, g.strideB = strideB, g.strideC = n;
  g.m = m, g.n = n, g.k = k, g.groups = 1;
  return g;
}

struct RouterCase {
  const char* name;
  const char* kernel;
  Body split;
  void (*plain)(GemmArguments);
  GemmArguments arguments;
};

// The baseline is the same product in plain fp32 arithmetic, whole; split times include the splitting.
void router(Report& report, Stopwatch& stopwatch, int tokens, int width, int experts) {
  Normal<bf16> x(size_t(tokens) * width);
  Normal<float> w(size_t(experts) * width, 0.02f), dlogits(size_t(tokens) * experts);
  device::Buffer<float> logits(size_t(tokens) * experts);
  Zeros<float> dw(size_t(experts) * width);
  Zeros<bf16> dx(size_t(tokens) * width);
  RouterProducts products(tokens, width, experts);
  int grid = 4 * device::multiprocessors();
  GemmArguments forward = plainArguments(tokens, experts, width, x.data(), width, w.data(), width, logits);
  GemmArguments weight = plainArguments(experts, width, tokens, dlogits.data(), experts, x.data(), width, dw);
  GemmArguments input = plainArguments(tokens, width, experts, dlogits.data(), experts, w.data(), width, dx);
  weight.accumulate = input.accumulate = 1;
  const RouterCase cases[] = {
      {"logits", "split nt", [&] { products.logits(x, w, logits); }, plain_gemm_nt_bf16_f32_f32, forward},
      {"weight gradient", "split tn", [&] { products.weightGradient(dlogits, x, dw); }, plain_gemm_tn_f32_bf16_f32, weight},
      {"input gradient", "split nn", [&] { products.inputGradient(dx); }, plain_gemm_nn_f32_f32_bf16, input}};
  std::string shape = " T" + std::to_string(tokens) + " d" + std::to_string(width) + " E" + std::to_string(experts);
  for (const RouterCase& c : cases) c.split();  // the last takes the parts that the others make
  requireAllWritten("router" + shape, logits, dw, dx);
  for (const RouterCase& c : cases) {
    std::string name = std::string("router ") + c.name + shape;
    if (!report.wants(name)) continue;
    auto times = stopwatch.turns({c.split, [&] { device::enqueue(c.plain, grid, Tall::THREADS, 0, c.arguments); }});
    double baseline = rate(products.flops(), times[1].median(), TERAFLOPS);
    report.add({name, c.kernel, products.flops(), TERAFLOPS, times[0], baseline});
  }
}

void measure(Report& report) {
  Stopwatch stopwatch(report.smoke());
  if (CuBlas::open() == nullptr) report.note("# no cuBLAS, no baseline: put the folder of libcublas.so into LD_LIBRARY_PATH");
  Spread gpt2;
  if (report.smoke()) {
    report.atLeast("dense GEMM over cuBLAS, least of nt, nn, tn", 0.95, square(report, stopwatch, 72));
    linear(report, stopwatch, 136, 24, 40, gpt2);
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
  router(report, stopwatch, 32768, 4096, 64);
  router(report, stopwatch, 32768, 2048, 8);
  router(report, stopwatch, 16384, 768, 64);
}

}  // namespace

int main(int count, char** arguments) { return bench::run(count, arguments, "gemm", measure); }
