// Cases whose floor is the bytes that they move: each input read once, each output written once, and no scratch memory.
#pragma once

#include "bench/copy.cuh"

namespace bench {

struct MemoryCase {
  std::string name, kernel;
  double bytes;
  Body queue;
  Body prepare = nullptr;  // what goes before each run, untimed
};

// Times memory-bound cases. Large ones are held against the device's largest copy; a smaller one, which ends before the
// memory is at full speed, against a copy of as many bytes; the smallest are a matter of launches.
class MemoryBound {
 public:
  MemoryBound(Report& report, Stopwatch& stopwatch)
      : report_(report), stopwatch_(stopwatch), copy_(report.smoke()), copyRate_(copy_.measure(report, stopwatch)) {}

  template <typename... Outputs>
  void add(const MemoryCase& m, const Outputs&... outputs) {
    if (!report_.wants(m.name)) return;
    if (m.prepare) m.prepare();
    m.queue();
    requireAllWritten(m.name, outputs...);
    long long copied = std::min((long long)m.bytes, copy_.most());
    auto times = stopwatch_.turns({m.queue, copy_.of(copied)}, m.prepare);
    Case c = {m.name, m.kernel, m.bytes, GIGABYTES, times[0], copyRate_};
    double ratio = report_.add(c);
    if (m.bytes >= LARGE_BYTES) return large_.add(m.name, ratio);
    ratio = report_.beside(c, "a copy of as many bytes", rate(double(copied), times[1].median(), GIGABYTES));
    if (m.bytes >= SMALL_BYTES) small_.add(m.name, ratio);
  }

  void goals() {
    large_.print(report_, "memory-bound kernels from 256 MB on over the largest copy");
    small_.print(report_, "memory-bound kernels of 8 to 256 MB over copies of their bytes");
  }

 private:
  static constexpr double LARGE_BYTES = 256e6, SMALL_BYTES = 8e6;

  struct Ratios {
    Spread spread;
    std::vector<std::string> names;

    void add(const std::string& name, double ratio) { spread.add(ratio), names.push_back(name); }
    void print(Report& report, const std::string& goal) const {
      for (size_t i = 0; i < names.size(); i++)
        if (spread.values[i] < 0.85) report.note("# below: " + names[i]);
      report.atLeast(goal + ", least", 0.85, spread.least());
      if (spread.known()) report.note("# mean: " + std::to_string(spread.mean()));
    }
  };

  Report& report_;
  Stopwatch& stopwatch_;
  DeviceCopy copy_;
  double copyRate_;
  Ratios large_, small_;
};

inline std::string sizes(long long rows, long long columns) { return " " + std::to_string(rows) + "x" + std::to_string(columns); }

}  // namespace bench
