// Grouped products of mixtures of experts, with the making of their routing metadata, against cuBLAS on one dense product of
// the same floating-point operations. Loads: uniform, by Zipf's law, all rows to one expert; all four take turns. And products
// that find their tokens' rows by an index, against those on a copy.
#include "bench/gemm.cuh"
#include "bench/sort.cuh"
#include "moe/permute.cu"

#include "bench/load.h"

namespace {

using namespace bench;

constexpr int TOP_K = 4;  // choices of a token

const Load LOADS[] = {Load::UNIFORM, Load::ZIPF, Load::ONE};

// A layer of all experts: weights (E, out, in) over rows of all experts together.
struct Layer {
  int rows, out, in;
};

// Where the assignments of one load go, made anew each time.
struct Routing {
  Load load;
  std::vector<int> hostOffsets;
  device::Buffer<int> experts, offsets, load_, tokenOf, rowOf;
  AssignmentSort sort;

  Routing(Load load, int assignments, int groups) : Routing(load, drawExperts(load, assignments, groups, 5), groups) {}
  void make() const { sort(experts, offsets, load_, tokenOf, rowOf); }
  int tokens() const { return int(experts.size() + TOP_K - 1) / TOP_K; }

 private:
  Routing(Load load, const std::vector<int>& drawn, int groups)
      : load(load), hostOffsets(offsetsOf(drawn, groups)), experts(drawn), offsets(groups + 1), load_(groups),
        tokenOf(drawn.size()), rowOf(drawn.size()), sort((long long)drawn.size(), groups, TOP_K) {}
};

struct Ratios {
  Spread uniform, zipf, one;  // over cuBLAS; times over the uniform one's
};

void checkRouting(const std::string& what, const Routing& routing) {
  routing.make();
  if (routing.offsets.toHost() != routing.hostOffsets) throw std::runtime_error(what + ": offsets differ from the host's");
}

Product productOf(Form form, const Layer& l, int groups) {
  Product p = form == NT   ? Product{NT, l.rows, l.out, l.in}
              : form == NN ? Product{NN, l.rows, l.in, l.out}
                           : Product{TN, l.out, l.in, l.rows};
  p.groups = groups;
  return p;
}

void grouped(Report& report, Stopwatch& stopwatch, Form form, const Layer& layer, int groups,
             const std::vector<std::unique_ptr<Routing>>& routings, Ratios& ratios) {
  Product p = productOf(form, layer, groups);
  std::string stem = std::string("grouped ") + nameOf(form) + " E" + std::to_string(groups) + " " + p.sizes();
  if (!report.wants(stem)) return;
  ProductMemory memory(p);
  std::vector<Body> bodies;
  std::string kernel;
  for (const auto& routing : routings) {
    p.offsets = routing->offsets;
    GemmLaunch launch(p);
    kernel = launch.kernel;
    checkRouting(stem, *routing);
    memory.require(stem + " " + nameOf(routing->load), p, launch, routing->hostOffsets);
    const Routing* r = routing.get();
    bodies.push_back([=] { r->make(), launch(); });
  }
  CuBlas* cublas = CuBlas::open();
  if (cublas != nullptr) bodies.push_back(cublasOf(cublas, p));
  auto times = stopwatch.turns(bodies);
  double baseline = cublas == nullptr ? UNKNOWN : rate(p.flops(), times.back().median(), TERAFLOPS);
  for (size_t i = 0; i < routings.size(); i++) {
    double ratio = report.add({stem + " " + nameOf(routings[i]->load), kernel, p.flops(), TERAFLOPS, times[i], baseline});
    if (i == 0) ratios.uniform.add(ratio);
  }
  ratios.zipf.add(times[1].median() / times[0].median());
  ratios.one.add(times[2].median() / times[0].median());
}

// Rows of the tokens by an index, against a copy: forward makes it, and the weight's gradient finds it there. The index is known
// to both.
void gathered(Report& report, Stopwatch& stopwatch, Form form, const Layer& layer, int groups, const Routing& routing) {
  Product p = productOf(form, layer, groups);
  std::string name = std::string("gathered ") + nameOf(form) + " E" + std::to_string(groups) + " k" + std::to_string(TOP_K) + " " +
                     p.sizes() + " " + nameOf(routing.load);
  if (!report.wants(name)) return;
  p.offsets = routing.offsets, p.rows = routing.tokenOf, p.storedRows = routing.tokens();
  ProductMemory memory(p);
  device::Buffer<bf16> copy(size_t(layer.rows) * layer.in);
  Product onCopy = p;
  const bf16* x = form == NT ? p.a : p.b;
  (form == NT ? onCopy.a : onCopy.b) = copy;
  onCopy.rows = nullptr;
  MmaLaunch launch(p);
  GemmLaunch launchOnCopy(onCopy);
  Body gather = [&] {
    device::enqueue(moe_gather_bf16, blocks(layer.rows, THREADS / 32), THREADS, 0, x, routing.rowOf, copy, layer.rows, TOP_K,
                    layer.in);
  };
  Body copied = [&] {
    if (form == NT) gather();
    launchOnCopy();
  };
  checkRouting(name, routing);
  gather();
  memory.require(name, p, launch, routing.hostOffsets);
  memory.require(name + ", " + nameOf(Rows::COPIED), p, copied, routing.hostOffsets);
  auto times = stopwatch.turns({launch, copied});
  double baseline = rate(p.flops(), times[1].median(), TERAFLOPS);
  report.add({name, launch.name(), p.flops(), TERAFLOPS, times[0], baseline});
}

void metadata(Report& report, Stopwatch& stopwatch, int groups, const Routing& routing) {
  double bytes = 12.0 * double(routing.experts.size());  // experts read, tokenOf and rowOf written
  std::string name = "routing metadata E" + std::to_string(groups) + " " + std::to_string(routing.experts.size());
  if (!report.wants(name)) return;
  report.add({name, "moe_sort", bytes, GIGABYTES, timesOf(stopwatch, [&] { routing.make(); })});
}

void goals(Report& report, const Ratios& ratios) {
  report.atLeast("grouped GEMM over cuBLAS, uniform, metadata included: mean", 1.0, ratios.uniform.mean());
  report.atLeast("grouped GEMM over cuBLAS, uniform, metadata included: least", 0.95, ratios.uniform.least());
  report.atMost("grouped GEMM, skewed over uniform time: most", 1.25, ratios.zipf.most());
  report.atMost("grouped GEMM, all to one over uniform time: most", 1.15, ratios.one.most());
}

void measure(Report& report) {
  Stopwatch stopwatch(report.smoke());
  if (CuBlas::open() == nullptr) report.note("# no cuBLAS, no baseline: put the folder of libcublas.so into LD_LIBRARY_PATH");
  // Up and down of the layer that moe_bench times; a square one; GPT-2 124M's width.
  std::vector<Layer> layers = {{131072, 1024, 4096}, {131072, 4096, 1024}, {32768, 2048, 2048}, {65536, 3072, 768}};
  std::vector<int> experts = {64, 8, 16, 32, 128};
  if (report.smoke()) layers = {{150, 40, 72}}, experts = {3};
  Ratios ratios;
  for (int groups : experts)
    for (const Layer& layer : layers) {
      std::vector<std::unique_ptr<Routing>> routings;
      for (Load load : LOADS) routings.push_back(std::make_unique<Routing>(load, layer.rows, groups));
      for (Form form : {NT, NN, TN}) grouped(report, stopwatch, form, layer, groups, routings, ratios);
      if (&layer != &layers[0]) continue;
      metadata(report, stopwatch, groups, *routings[0]);
      for (Form form : {NT, TN}) gathered(report, stopwatch, form, layer, groups, *routings[0]);
    }
  goals(report, ratios);
}

}  // namespace

int main(int count, char** arguments) { return bench::run(count, arguments, "grouped", measure); }
