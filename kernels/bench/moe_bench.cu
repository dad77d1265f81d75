// A whole mixture-of-experts layer on a plain stream, forward and backward: the rate of the experts' products over the time of
// everything, and each step's share. A pass is far longer than its launches take to queue, so a graph would change nothing.
#include "bench/moe_layer.cuh"
#include "bench/moe_reference.h"

namespace {

using namespace bench;

struct Pass {
  const char* name;
  double flops;
  std::vector<Step> steps;
};

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
void requireLayer(const std::string& what, MoeLayer& layer, bool small) {
  if (small) device::fill(layer.routerWeight.data(), 0, layer.routerWeight.bytes());
  wholeOf(layer.forward())();
  wholeOf(layer.backward())();
  requireAllWritten(what, layer.out, layer.dx, layer.routerGradient, layer.gate.gradient, layer.up.gradient, layer.down.gradient);
  if (!small) return;
  MoeReference reference(layer);
  requireClose(what + ", out", toDouble(layer.out), reference.out);
  requireClose(what + ", dx", toDouble(layer.dx), reference.dx);
  requireClose(what + ", gradient of up", toDouble(layer.up.gradient), reference.dUp);
}

double largestLoad(const MoeLayer& layer) {
  auto offsets = layer.offsets.toHost();
  int largest = 0;
  for (int e = 0; e < layer.shape.experts; e++) largest = std::max(largest, offsets[e + 1] - offsets[e]);
  return double(largest) * layer.shape.experts / layer.shape.rows();
}

// Times of both passes in microseconds, forward first.
std::vector<double> layer(Report& report, Stopwatch& stopwatch, const MoeShape& shape, Load load) {
  std::string stem = std::string("moe ") + (shape.gated ? "gated " : "plain "), tail = " " + shape.name() + " " + nameOf(load);
  std::vector<double> micros;
  if (!report.wants(stem + "forward" + tail) && !report.wants(stem + "backward" + tail)) return {UNKNOWN, UNKNOWN};
  MoeLayer layer(shape, load);
  requireLayer(stem + tail, layer, report.smoke());
  char line[80];
  std::snprintf(line, sizeof line, "# largest load over the mean: %.2f", largestLoad(layer));
  report.note(line);
  const Pass passes[] = {{"forward", shape.forwardFlops(), layer.forward()},
                         {"backward", 2 * shape.forwardFlops(), layer.backward()}};
  for (const Pass& pass : passes) {
    std::string name = stem + pass.name + tail;
    Times whole = timesOf(stopwatch, wholeOf(pass.steps));
    report.add({name, "whole layer, plain stream", pass.flops, TERAFLOPS, whole});
    auto steps = stopwatch.steps(bodiesOf(pass.steps));
    double sum = 0;
    for (const Times& t : steps) sum += t.median();
    for (size_t i = 0; i < steps.size(); i++) report.addShare(name, pass.steps[i].name, steps[i], sum);
    micros.push_back(whole.median());
    layer.clearGradients();
  }
  return micros;
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
  std::vector<std::vector<double>> micros;
  for (Load load : {Load::UNIFORM, Load::ZIPF, Load::ONE}) micros.push_back(layer(report, stopwatch, shape, load));
  goals(report, shape, micros[0], micros[1], micros[2]);
}

void measure(Report& report) {
  Stopwatch stopwatch(report.smoke());
  if (report.smoke()) {
    allLoads(report, stopwatch, {70, 40, 24, 5, 2, true});
    layer(report, stopwatch, {33, 16, 72, 4, 4, false}, Load::UNIFORM);
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
