// Products around uniformly sparse weights, forward and both gradients, as the backend queues them: the transposing and the packing
// count. Against cuSPARSE, each of its algorithms for CSR in either layout, preprocessed (plain formats); and against cuBLAS on the
// dense product in bf16. Rates are those of the non-zeros, 2·batch·non-zeros a product.
#include "bench/cublas.h"
#include "bench/cusparse.h"
#include "bench/sparse_products.cuh"

namespace {

using namespace bench;

struct Format {
  const char* name;
  int groupRows;
  bool banks;  // of 128 columns
  int wgmma;   // by the kernels for Hopper, where a product has one: the most elements of the batch of a tile forward; else 0
};
const Format FORMATS[] = {{"plain", 1, false, 0}, {"bank", 1, true, 0},  {"G4", 4, false, 0},
                          {"G8", 8, false, 0},     {"G16", 16, false, 0}, {"G64", 64, false, 0},
#ifdef SPARROW_GROUP_WGMMA
                          {"G64 wgmma", 64, false, 512}, {"G64 wgmma256", 64, false, 256},
#endif
};
const char* const PRODUCTS[] = {"forward", "dX", "dW"};

// Ratios over a baseline by format, product and percentage of zeros.
struct Ratios {
  std::vector<std::string> names;
  std::vector<Spread> spreads;

  Spread& of(const std::string& name) {
    for (size_t i = 0; i < names.size(); i++)
      if (names[i] == name) return spreads[i];
    names.push_back(name), spreads.emplace_back();
    return spreads.back();
  }
};

struct Measured {
  Ratios cublas, cusparse;
};

// CSR of the weight, or of its transpose, with values in the order of their rows.
std::unique_ptr<Csr> csr(const Pattern& p, bool transposed, const bf16* values) {
  int rows = transposed ? p.columns : p.rows;
  std::vector<std::vector<int>> of(rows);
  for (int r = 0; r < p.liveRows(); r++)
    for (int i = 0; i < p.fanIn; i++) of[transposed ? p.column(r, i) : p.row(r)].push_back(transposed ? p.row(r) : p.column(r, i));
  std::vector<int> starts(1, 0), indices;
  for (const auto& row : of) indices.insert(indices.end(), row.begin(), row.end()), starts.push_back(int(indices.size()));
  return std::make_unique<Csr>(rows, transposed ? p.rows : p.columns, starts, indices, values);
}

// Drawn elements of each product and their terms.
std::vector<SparseSample> drawSamples(const Pattern& p, int batch, int product) {
  constexpr int COUNT = 32;
  std::mt19937 random(11);
  auto below = [&](int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random); };
  std::vector<SparseSample> samples(COUNT);
  for (SparseSample& s : samples) {
    int n = below(batch), r = below(p.liveRows()), i = below(p.fanIn), column = p.column(r, i);
    if (product == 0) {
      s.result = size_t(n) * p.rows + p.row(r);
      for (int k = 0; k < p.fanIn; k++)
        s.left.push_back((long long)r * p.fanIn + k), s.right.push_back((long long)n * p.columns + p.column(r, k));
    } else if (product == 1) {
      s.result = size_t(n) * p.columns + column;
      for (int live = 0; live < p.liveRows(); live += p.groupRows) {
        auto from = p.indices.begin() + size_t(live / p.groupRows) * p.fanIn, found = std::lower_bound(from, from + p.fanIn, column);
        if (found == from + p.fanIn || *found != column) continue;
        for (int k = live; k < live + p.groupRows; k++)
          s.left.push_back((long long)k * p.fanIn + (found - from)), s.right.push_back((long long)n * p.rows + p.row(k));
      }
    } else {
      s.result = size_t(r) * p.fanIn + i;
      for (int k = 0; k < batch; k++)
        s.left.push_back((long long)k * p.rows + p.row(r)), s.right.push_back((long long)k * p.columns + column);
    }
  }
  return samples;
}

// One of ours; empty where the format's kernels are for other products.
SparseBody ours(const Format& format, const SparseProducts& w, const SparseMemory& m, int product) {
#ifdef SPARROW_GROUP_WGMMA
  if (format.wgmma > 0 && product == 0) return w.wgmmaForward(m, format.wgmma);
  if (format.wgmma > 0) return product == 1 && format.wgmma == 512 ? w.wgmmaInputGradient(m) : SparseBody{};
#endif
  (void)format;
  return product == 0 ? w.forward(m) : product == 1 ? w.inputGradient(m) : w.weightGradient(m);
}

// Runs a product over poison, or zeros, and looks at its result.
void require(const std::string& what, const SparseProducts& w, SparseMemory& m, int product, const Body& body) {
  m.y.poison(), m.dx.poison();
  zero(m.dvalues.data(), m.dvalues.bytes());
  body();
  auto samples = drawSamples(w.p, m.batch, product);
  if (product == 0) requireWritten(what, m.y), requireSamples(what, m.y, w.values, m.x, samples);
  else if (product == 1) requireWritten(what, m.dx), requireSamples(what, m.dx, w.values, m.dy, samples);
  else requireWritten(what, m.dvalues), requireSamples(what, m.dvalues, m.dy, m.x, samples);
}

// The dense product of as many rows, columns and elements of the batch; its operands hold other values, of the same kind.
Body dense(CuBlas* cublas, const Pattern& p, const SparseMemory& m, int product, const device::Buffer<bf16>& w,
           const device::Buffer<float>& dw) {
  return [=, &p, &m, &w, &dw] {
    if (product == 0) cublas->multiply(false, true, m.batch, p.rows, p.columns, m.x, p.columns, w, p.columns, m.y, false);
    else if (product == 1) cublas->multiply(false, false, m.batch, p.columns, p.rows, m.dy, p.rows, w, p.columns, m.dx, false);
    else cublas->multiply(true, false, p.rows, p.columns, m.batch, m.dy, p.rows, m.x, p.columns, dw, true, true);
  };
}

// cuSPARSE's ways to a product.
std::vector<Body> sparse(CuSparse* cusparse, const SparseMemory& m, int product, const Csr& rows, const Csr& columns,
                         const device::Buffer<float>& dvalues) {
  if (product == 2) return cusparse->sample(rows, m.dy, m.x, dvalues, m.batch);
  const Csr& a = product == 0 ? rows : columns;
  const bf16 *b = product == 0 ? m.x : m.dy, *bt = product == 0 ? m.xt : m.dyt;
  bf16 *c = product == 0 ? m.y : m.dx, *ct = product == 0 ? m.dyt : m.xt;  // of the right size, and not used meanwhile
  std::vector<Body> bodies = cusparse->multiply(a, b, c, m.batch, false);
  if (m.batch % 8 != 0) return bodies;
  for (const Body& body : cusparse->multiply(a, bt, ct, m.batch, true)) bodies.push_back(body);
  return bodies;
}

void measure(Report& report, Stopwatch& stopwatch, const Format& format, int rows, int columns, int zeros,
             const std::vector<int>& batches, Measured& measured) {
  std::string shape = std::to_string(rows) + "x" + std::to_string(columns) + " " + std::to_string(zeros) + "%";
  auto nameOf = [&](int product, int batch) {
    return "spmm " + std::string(PRODUCTS[product]) + " " + format.name + " " + shape + " N" + std::to_string(batch);
  };
  bool wanted = false;
  for (int batch : batches)
    for (int product = 0; product < 3; product++) wanted |= report.wants(nameOf(product, batch));
  if (!wanted) return;
  std::mt19937 random(13);
  int bank = format.banks ? 128 : columns, perBank = std::max(1, (bank * (100 - zeros) + 50) / 100);
  SparseProducts w(sparse_weight::draw(random, rows, columns, perBank, format.groupRows, bank, 0));
  CuBlas* cublas = CuBlas::open();
  CuSparse* cusparse = format.groupRows == 1 ? CuSparse::open() : nullptr;
  Normal<bf16> denseWeight(size_t(rows) * columns);
  Zeros<float> denseGradient(size_t(rows) * columns);
  auto byRows = cusparse != nullptr ? csr(w.p, false, w.values) : nullptr, byColumns = cusparse != nullptr ? csr(w.p, true, w.values) : nullptr;
  for (int batch : batches) {
    SparseMemory m(w.p, batch);
    for (int product = 0; product < 3; product++) {
      std::string name = nameOf(product, batch);
      if (!report.wants(name)) continue;
      SparseBody own = ours(format, w, m, product);
      if (!own.queue) continue;
      require(name, w, m, product, own.queue);
      std::vector<Body> bodies = {own.queue};
      if (cublas != nullptr) bodies.push_back(dense(cublas, w.p, m, product, denseWeight, denseGradient));
      size_t first = bodies.size();
      if (cusparse != nullptr)
        for (const Body& body : stopwatch.fastest(sparse(cusparse, m, product, *byRows, *byColumns, m.dvalues), 2)) bodies.push_back(body);
      auto times = stopwatch.turns(bodies);
      double flops = 2.0 * batch * double(w.p.nonZeros());
      double theirs = cublas == nullptr ? UNKNOWN : rate(flops, times[1].median(), TERAFLOPS);
      Case c = {name, own.kernel, flops, TERAFLOPS, times[0], theirs};
      std::string key = std::string(format.name) + " " + PRODUCTS[product];
      double ratio = report.add(c);
      if (batch >= 1024) measured.cublas.of(key + " " + std::to_string(zeros) + "%").add(ratio);
      double best = UNKNOWN;
      for (size_t i = first; i < times.size(); i++) best = std::fmax(best, rate(flops, times[i].median(), TERAFLOPS));
      if (cusparse != nullptr) measured.cusparse.of(key).add(report.beside(c, "the fastest of cuSPARSE", best));
    }
  }
}

void goals(Report& report, Measured& measured) {
  for (size_t i = 0; i < measured.cublas.names.size(); i++)
    report.note("# " + measured.cublas.names[i] + " over cuBLAS, N >= 1024, geometric mean: " +
                std::to_string(measured.cublas.spreads[i].geometricMean()));
  for (size_t i = 0; i < measured.cusparse.names.size(); i++)
    report.note("# " + measured.cusparse.names[i] + " over cuSPARSE, geometric mean: " +
                std::to_string(measured.cusparse.spreads[i].geometricMean()));
  double plain = measured.cusparse.of("plain forward").geometricMean();
  report.atLeast("plain forward over tuned cuSPARSE, 50-95 % zero, geometric mean", 1.62, plain);
  report.atLeast("plain forward over tuned cuSPARSE, what is aimed at", 2.5, plain);
  for (const Format& format : FORMATS)
    for (const char* product : {"forward", "dX"}) {
      if (format.groupRows != 64 || format.wgmma == 256) continue;
      std::string what = std::string(format.name) + " " + product;
      report.atLeast(what + " over cuBLAS at 75 % zero, geometric mean", 1.5, measured.cublas.of(what + " 75%").geometricMean());
      report.atLeast(what + " over cuBLAS at 90 % zero, geometric mean", 4, measured.cublas.of(what + " 90%").geometricMean());
    }
}

void measure(Report& report) {
  Stopwatch stopwatch(report.smoke());
  if (CuBlas::open() == nullptr) report.note("# no cuBLAS, no dense baseline: put the folder of libcublas.so into LD_LIBRARY_PATH");
  if (CuSparse::open() == nullptr) report.note("# no cuSPARSE, no sparse baseline: put the folder of libcusparse.so into LD_LIBRARY_PATH");
  if (device::mostSharedBytes() < size_t(PlainLarge::SHARED_BYTES))
    return report.note("# sparse kernels want 128 KB of shared memory for a block, which this device has not: nothing to measure");
  Measured measured;
  struct Shape { int rows, columns; };
  std::vector<Shape> shapes = {{4096, 4096}, {4096, 1024}, {1024, 1024}};
  std::vector<int> percentages = {90, 75, 95, 50}, batches = {8192, 1024, 64};
  if (report.smoke()) shapes = {{128, 256}, {512, 128}}, percentages = {90, 50}, batches = {72, 264};  // small tiles and large
  for (const Shape& s : shapes)
    for (int zeros : percentages)
      for (const Format& format : FORMATS) measure(report, stopwatch, format, s.rows, s.columns, zeros, batches, measured);
  goals(report, measured);
}

}  // namespace

int main(int count, char** arguments) { return bench::run(count, arguments, "spmm", measure); }
