// A whole mixture-of-experts layer on a plain stream, forward and backward: the rate of the experts' products over the time of
// everything, and each step's share; as the backend queues it, and of one shape also with the tokens' rows read the other way.
// A pass is far longer than its launches take to queue, so a graph would change nothing.
#include "bench/moe_layer.cuh"
#include "bench/moe_reference.h"

namespace {

using namespace bench;

std::vector<Body> bodiesOf(const std::vector<Step>& steps) {
  std::vector<Body> bodies;
  for (const Step& step : steps) bodies.push_back(step.queue);
  return bodies;
}

Body wholeOf(const std::vector<Step>& steps) {
  return [bodies = bodiesOf(steps)] {
    for (const Body& body : bodies) body();
  };
}

// Operands are rounded to bf16 at several places, so what is asked for is a small error of the whole, and no NaN.
void requireClose(const std::string& what, const std::vector<double>& actual, const std::vector<double>& expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < expected.size(); i++) {
    error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  if (!(std::sqrt(error) <= 0.02 * std::sqrt(size)))
    throw std::runtime_error(what + ": relative error " + std::to_string(std::sqrt(error / size)) + ", expected at most 0.02");
}

template <typename T>
std::vector<double> toDouble(const device::Buffer<T>& buffer) {
  std::vector<double> values;
  for (T v : buffer.toHost()) values.push_back(toFloat(v));
  return values;
}

// Runs the layer once and looks at its results: that all are written, and of a small layer, that they are right. There the
// router's weight is zero, which leaves dx to the experts.
void requireLayer(const std::string& what, MoeLayer& layer, Rows way, bool small) {
  if (small) device::fill(layer.routerWeight.data(), 0, layer.routerWeight.bytes());
  layer.poison();
  wholeOf(layer.forward(way))();
  wholeOf(layer.backward(way))();
  requireAllWritten(what, layer.out, layer.dx, layer.routerGradient, layer.gate.gradient, layer.up.gradient, layer.down.gradient);
  if (!small) return;
  MoeReference reference(layer);
  requireClose(what + ", out", toDouble(layer.out), reference.out);
  requireClose(what + ", dx", toDouble(layer.dx), reference.dx);
  requireClose(what + ", gradient of up", toDouble(layer.up.gradient), reference.dUp);
  requireClose(what + ", gradient of down", toDouble(layer.down.gradient), reference.dDown);
}

double largestLoad(const MoeLayer& layer) {
  auto offsets = layer.offsets.toHost();
  int largest = 0;
  for (int e = 0; e < layer.shape.experts; e++) largest = std::max(largest, offsets[e + 1] - offsets[e]);
  return double(largest) * layer.shape.experts / layer.shape.rows();
}

// One pass of the layer, with rows read in one way or several, which take turns; the first is the backend's, and the others are
// held against it. Returns its time in microseconds.
double pass(Report& report, Stopwatch& stopwatch, const std::string& name, double flops,
            const std::vector<std::pair<Rows, std::vector<Step>>>& ways) {
  std::vector<Body> bodies;
  for (const auto& way : ways) bodies.push_back(wholeOf(way.second));
  std::vector<Times> whole = stopwatch.turns(bodies);
  for (size_t w = 0; w < ways.size(); w++) {
    std::string way = nameOf(ways[w].first), full = w == 0 ? name : name + " " + way;
    double baseline = w == 0 ? UNKNOWN : rate(flops, whole[0].median(), TERAFLOPS);
    report.add({full, "whole layer, " + way, flops, TERAFLOPS, whole[w], baseline});
    auto steps = stopwatch.steps(bodiesOf(ways[w].second));
    double sum = 0;
    for (const Times& t : steps) sum += t.median();
    for (size_t i = 0; i < steps.size(); i++) report.addShare(full, ways[w].second[i].name, steps[i], sum);
  }
  return whole[0].median();
}

// Times of both passes in microseconds, forward first.
std::vector<double> layer(Report& report, Stopwatch& stopwatch, const MoeShape& shape, Load load,
                          std::vector<Rows> ways = {CHOSEN_ROWS}) {
  std::string stem = std::string("moe ") + (shape.gated ? "gated " : "plain "), tail = " " + shape.name() + " " + nameOf(load);
  if (!report.wants(stem + "forward" + tail) && !report.wants(stem + "backward" + tail)) return {UNKNOWN, UNKNOWN};
  MoeLayer layer(shape, load);
  for (Rows way : ways) requireLayer(stem + nameOf(way) + tail, layer, way, report.smoke());
  char line[80];
  std::snprintf(line, sizeof line, "# largest load over the mean: %.2f", largestLoad(layer));
  report.note(line);
  std::vector<std::pair<Rows, std::vector<Step>>> forwards, backwards;
  for (Rows way : ways) forwards.emplace_back(way, layer.forward(way)), backwards.emplace_back(way, layer.backward(way));
  double forward = pass(report, stopwatch, stem + "forward" + tail, shape.forwardFlops(), forwards);
  double backward = pass(report, stopwatch, stem + "backward" + tail, 2 * shape.forwardFlops(), backwards);
  return {forward, backward};
}

void goals(Report& report, const MoeShape& shape, const std::vector<double>& uniform, const std::vector<double>& zipf,
           const std::vector<double>& one) {
  for (int pass : {0, 1}) {
    std::string name = std::string("MoE layer ") + shape.name() + (pass == 0 ? " forward" : " backward");
    report.atLeast(name + ", TFLOP/s", 500, rate((pass + 1) * shape.forwardFlops(), uniform[pass], TERAFLOPS));
    report.atMost(name + ", skewed over uniform time", 1.25, zipf[pass] / uniform[pass]);
    report.atMost(name + ", all to one over uniform time", 1.15, one[pass] / uniform[pass]);
  }
}

void allLoads(Report& report, Stopwatch& stopwatch, const MoeShape& shape) {
  auto uniform = layer(report, stopwatch, shape, Load::UNIFORM, {CHOSEN_ROWS, OTHER_ROWS});
  auto zipf = layer(report, stopwatch, shape, Load::ZIPF), one = layer(report, stopwatch, shape, Load::ONE);
  goals(report, shape, uniform, zipf, one);
}

void measure(Report& report) {
  Stopwatch stopwatch(report.smoke());
  if (report.smoke()) {
    allLoads(report, stopwatch, {130, 40, 24, 5, 2, true});
    layer(report, stopwatch, {133, 16, 72, 4, 4, false}, Load::UNIFORM, {CHOSEN_ROWS, OTHER_ROWS});
    return;
  }
  allLoads(report, stopwatch, {32768, 4096, 1024, 64, 4, true});
  layer(report, stopwatch, {32768, 4096, 1024, 64, 4, false}, Load::UNIFORM);
  layer(report, stopwatch, {32768, 4096, 512, 128, 8, true}, Load::UNIFORM);
  layer(report, stopwatch, {16384, 4096, 14336, 8, 2, true}, Load::UNIFORM);
  layer(report, stopwatch, {16384, 768, 3072, 64, 1, false}, Load::UNIFORM);  // MegaBlocks' small model
}

}  // namespace

int main(int count, char** arguments) { return bench::run(count, arguments, "moe", measure); }
