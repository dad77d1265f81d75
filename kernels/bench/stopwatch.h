// Timing on a device. Each run starts with a cache that holds other data, bodies that are compared take turns, and what
// counts is the median.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bench/report.h"
#include "common/launch.cuh"

namespace bench {

using Body = std::function<void()>;  // queues launches, and waits for nothing

#ifdef SPARROW_EMULATE

// Runs everything once: the emulation tells no times.
class Stopwatch {
 public:
  explicit Stopwatch(bool) {}
  std::vector<Times> turns(const std::vector<Body>& bodies, const Body& prepare = nullptr) {
    if (prepare) prepare();
    for (const Body& body : bodies) body();
    return std::vector<Times>(bodies.size());
  }
  std::vector<Times> steps(const std::vector<Body>& steps) { return turns(steps); }
  std::vector<Body> fastest(const std::vector<Body>& bodies, size_t) { return bodies; }
};

#else

class Event {
 public:
  Event() { device::check(cudaEventCreate(&event_), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record() { device::check(cudaEventRecord(event_), "cudaEventRecord"); }
  double microsSince(const Event& start) const {
    float millis = 0;
    device::check(cudaEventElapsedTime(&millis, start.event_, event_), "cudaEventElapsedTime");
    return millis * 1e3;
  }

 private:
  cudaEvent_t event_;
};

// Reads all of data. Reading leaves the cache full of lines that need not be written back: the timed kernel would pay.
static __global__ void readAll(const uint4* data, long long n, unsigned* sink) {
  unsigned mixed = 0;
  long long threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads) {
    uint4 v = data[i];
    mixed ^= v.x ^ v.y ^ v.z ^ v.w;
  }
  if (mixed == 1) *sink = mixed;  // never: data is all ones; but the compiler cannot know
}

class Stopwatch {
 public:
  // smoke: everything runs once, and nothing is timed.
  explicit Stopwatch(bool smoke) {
    if (smoke) return;
    cudaDeviceProp properties;
    device::check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    size_t bytes = std::max(LEAST_FLUSH_BYTES, 4 * size_t(properties.l2CacheSize));
    others_ = std::make_unique<device::Buffer<uint4>>(bytes / sizeof(uint4));
    sink_ = std::make_unique<device::Buffer<unsigned>>(1);
  }

  // The times of several bodies, which take turns, so that clocks and temperature are the same for all. prepare goes before
  // each run of each, untimed: for what writes over its inputs.
  std::vector<Times> turns(const std::vector<Body>& bodies, const Body& prepare = nullptr) {
    std::vector<std::vector<Body>> passes;
    for (const Body& body : bodies) passes.push_back({body});
    std::vector<Times> times;
    for (const auto& steps : timed(passes, prepare)) times.push_back(steps[0]);
    return times;
  }

  // The times of the steps of one pass, which find in the cache what the steps before have left there.
  std::vector<Times> steps(const std::vector<Body>& steps) { return timed({steps}, nullptr)[0]; }

  // Of many bodies for the same result the few that were fastest in their second run: only they are worth the time of turns().
  std::vector<Body> fastest(const std::vector<Body>& bodies, size_t count) {
    if (others_ == nullptr || bodies.size() <= count) return bodies;
    std::vector<std::pair<double, size_t>> order;
    for (size_t i = 0; i < bodies.size(); i++) {
      double micros = 0;
      for (int run = 0; run < 2; run++) {
        Marks marks = mark({bodies[i]}, nullptr);
        device::synchronize();
        micros = marks[1]->microsSince(*marks[0]);
      }
      order.push_back({micros, i});
    }
    std::sort(order.begin(), order.end());
    std::vector<Body> chosen;
    for (size_t i = 0; i < count; i++) chosen.push_back(bodies[order[i].second]);
    return chosen;
  }

 private:
  static constexpr size_t LEAST_FLUSH_BYTES = size_t(256) << 20;
  static constexpr int WARM_UP = 3, LEAST_RUNS = 10, MOST_RUNS = 100;
  static constexpr double BUDGET_MICROS = 400e3;

  using Marks = std::vector<std::unique_ptr<Event>>;  // of one run of a pass: its start and the end of each step

  // While the device reads, the host queues what is to be timed: its own pace stays out of the figures.
  void flush() {
    device::enqueue(readAll, 8 * device::multiprocessors(), 256, 0, *others_, (long long)others_->size(), *sink_);
  }

  Marks mark(const std::vector<Body>& steps, const Body& prepare) {
    Marks marks;
    for (size_t i = 0; i <= steps.size(); i++) marks.push_back(std::make_unique<Event>());
    if (prepare) prepare();
    flush();
    marks[0]->record();
    for (size_t i = 0; i < steps.size(); i++) {
      steps[i]();
      marks[i + 1]->record();
    }
    return marks;
  }

  std::vector<std::vector<Times>> timed(const std::vector<std::vector<Body>>& passes, const Body& prepare) {
    std::vector<std::vector<Times>> times;
    for (const auto& steps : passes) times.emplace_back(steps.size());
    if (others_ == nullptr) {
      if (prepare) prepare();
      for (const auto& steps : passes)
        for (const Body& step : steps) step();
      device::synchronize();
      return times;
    }
    int runs = runsFor(passes, prepare);
    for (int run = 0; run < runs; run++) {
      std::vector<Marks> marks;
      for (const auto& steps : passes) marks.push_back(mark(steps, prepare));
      device::synchronize();
      for (size_t p = 0; p < passes.size(); p++)
        for (size_t i = 0; i < passes[p].size(); i++)
          times[p][i].micros.push_back(marks[p][i + 1]->microsSince(*marks[p][i]));
    }
    for (auto& steps : times)
      for (Times& t : steps) std::sort(t.micros.begin(), t.micros.end());
    return times;
  }

  // Warms up, and takes the last warm run as the measure of how many there is time for.
  int runsFor(const std::vector<std::vector<Body>>& passes, const Body& prepare) {
    double micros = 0;
    for (int run = 0; run < WARM_UP; run++) {
      micros = 0;
      for (const auto& steps : passes) {
        Marks marks = mark(steps, prepare);
        device::synchronize();
        micros += marks.back()->microsSince(*marks[0]);
      }
    }
    return std::max(LEAST_RUNS, std::min(MOST_RUNS, int(BUDGET_MICROS / std::max(micros, 1.0))));
  }

  std::unique_ptr<device::Buffer<uint4>> others_;
  std::unique_ptr<device::Buffer<unsigned>> sink_;
};

#endif

inline Times timesOf(Stopwatch& stopwatch, const Body& body) { return stopwatch.turns({body})[0]; }

}  // namespace bench
