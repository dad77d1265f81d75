// What a benchmark prints and keeps: a line of a table and a row of JSON for each case, and the goals that it decides.
//
// JSON (--json FILE): rows {suite, case, metric, value, unit, baseline, ratio, runs, min, max, device}, those of gpu-core's
// BenchRow; value is the median over the runs, ratio is ours over the baseline, larger is better. The file is written anew
// after each row, so that a run that is cut off keeps what it had. What was not measured is null there and n/a in the table.
//
// A peer's figures (--peer FILE) are lines "PEER <case> = <number> <unit>": those of a case that is measured here are put
// beside it. Goals are lines "GOAL <name> | <limit> | <measured> | met, missed or not measured".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/launch.cuh"

namespace bench {

constexpr double UNKNOWN = NAN;

// Microseconds of a case's runs, ascending; none where nothing was timed.
struct Times {
  std::vector<double> micros;

  bool known() const { return !micros.empty(); }
  int runs() const { return int(micros.size()); }
  double least() const { return known() ? micros.front() : UNKNOWN; }
  double most() const { return known() ? micros.back() : UNKNOWN; }
  double median() const {
    if (!known()) return UNKNOWN;
    size_t half = micros.size() / 2;
    return micros.size() % 2 == 1 ? micros[half] : (micros[half - 1] + micros[half]) / 2;
  }
};

struct Unit {
  const char* name;
  double perMicrosecond;  // of the unit, one operation or byte a microsecond
};
constexpr Unit TERAFLOPS = {"TFLOP/s", 1e-6}, GIGABYTES = {"GB/s", 1e-3};

// Work over time: operations or bytes.
inline double rate(double work, double micros, Unit unit) { return work / micros * unit.perMicrosecond; }

struct Case {
  std::string name;    // of the case: what is computed, at which shape
  std::string kernel;  // what computes it
  double work;         // floating-point operations, or bytes that must be moved
  Unit unit;
  Times times;
  double baseline = UNKNOWN;  // a rate, in the same unit
};

struct Options {
  bool smoke = false;  // tiny shapes, each launched once, nothing timed
  std::string only;    // part of a case's name; empty: all
  std::string json;
  std::string peer;

  static Options parse(int count, char** arguments) {
    Options options;
    for (int i = 1; i < count; i++) {
      std::string option = arguments[i];
      if (option == "--smoke") options.smoke = true;
      else if (option == "--only" && i + 1 < count) options.only = arguments[++i];
      else if (option == "--json" && i + 1 < count) options.json = arguments[++i];
      else if (option == "--peer" && i + 1 < count) options.peer = arguments[++i];
      else throw std::invalid_argument(option + ": expected [--smoke] [--only TEXT] [--json FILE] [--peer FILE]");
    }
    return options;
  }
};

class Report {
 public:
  Report(const char* suite, const Options& options) : suite_(suite), options_(options), device_(device::name()) {
    if (!options.peer.empty()) readPeer();
    writeJson();
    std::printf("%s on %s, %d multiprocessors\n", suite, device_.c_str(), device::multiprocessors());
    std::printf("%-56s %-36s %11s %10s %-8s %10s %6s %10s %6s\n", "case", "kernel", "us", "rate", "", "baseline", "ratio", "peer",
                "ratio");
  }

  bool smoke() const { return options_.smoke; }

  bool wants(const std::string& name) const { return name.find(options_.only) != std::string::npos; }

  // Prints and keeps a rate; returns its ratio to the baseline, UNKNOWN without one.
  double add(const Case& c) {
    double value = rate(c.work, c.times.median(), c.unit), ratio = value / c.baseline;
    double peer = peerOf(c.name, c.unit.name);
    std::printf("%-56s %-36s %11s %10s %-8s %10s %6s %10s %6s\n", c.name.c_str(), c.kernel.c_str(),
                text(c.times.median(), 1).c_str(), text(value, 1).c_str(), c.unit.name, text(c.baseline, 1).c_str(),
                text(ratio, 3).c_str(), text(peer, 1).c_str(), text(value / peer, 3).c_str());
    std::fflush(stdout);
    keep(c, "rate", value, c.baseline);
    if (!std::isnan(peer)) keep(c, "rate beside peer", value, peer);
    return ratio;
  }

  // Puts another figure beside a case just added; returns the ratio.
  double beside(const Case& c, const std::string& what, double baseline) {
    double value = rate(c.work, c.times.median(), c.unit);
    std::printf("  %-54s %-36s %11s %10s %-8s %10s %6s\n", ("beside " + what).c_str(), "", "", "", "", text(baseline, 1).c_str(),
                text(value / baseline, 3).c_str());
    std::fflush(stdout);
    keep(c, "rate beside " + what, value, baseline);
    return value / baseline;
  }

  // A share of a whole, in its case's table.
  void addShare(const std::string& name, const std::string& part, const Times& times, double total) {
    double share = times.median() / total;
    std::printf("  %-54s %-36s %11s %9s%%\n", part.c_str(), "", text(times.median(), 1).c_str(), text(100 * share, 1).c_str());
    std::fflush(stdout);
    Row row = {name, "share: " + part, "1", share, UNKNOWN, UNKNOWN, times.runs(), times.least() / total, times.most() / total};
    rows_.push_back(row);
    writeJson();
  }

  // Ours over the peer's rate of a case just added; UNKNOWN where the peer has none.
  double peerRatio(const Case& c) const {
    return rate(c.work, c.times.median(), c.unit) / peerOf(c.name, c.unit.name);
  }

  void atLeast(const std::string& goal, double limit, double measured) { print(goal, ">=", limit, measured, measured >= limit); }
  void atMost(const std::string& goal, double limit, double measured) { print(goal, "<=", limit, measured, measured <= limit); }

  void note(const std::string& line) { std::printf("%s\n", line.c_str()); }

 private:
  struct Row {
    std::string name, metric, unit;
    double value, baseline, ratio;
    int runs;
    double min, max;
  };
  struct Peer {
    double value;
    std::string unit;
  };

  void keep(const Case& c, const std::string& metric, double value, double baseline) {
    rows_.push_back({c.name, metric, c.unit.name, value, baseline, value / baseline, c.times.runs(),
                     rate(c.work, c.times.most(), c.unit), rate(c.work, c.times.least(), c.unit)});
    writeJson();
  }

  // Goals speak of all cases, so a run of some decides none.
  void print(const std::string& goal, const char* relation, double limit, double measured, bool met) {
    if (!options_.only.empty()) return;
    const char* verdict = std::isnan(measured) ? "not measured" : met ? "met" : "missed";
    std::printf("GOAL %-72s | %s %-7s | %8s | %s\n", goal.c_str(), relation, text(limit, 3).c_str(), text(measured, 3).c_str(),
                verdict);
    std::fflush(stdout);
  }

  void readPeer() {
    std::ifstream file(options_.peer);
    if (!file) throw std::invalid_argument("--peer " + options_.peer + ": no such file");
    for (std::string line; std::getline(file, line);) {
      size_t equals = line.rfind(" = ");
      if (line.compare(0, 5, "PEER ") != 0 || equals == std::string::npos || equals < 5) continue;
      Peer peer;
      std::istringstream figures(line.substr(equals + 3));
      if (!(figures >> peer.value >> peer.unit))
        throw std::invalid_argument(options_.peer + ": expected \"PEER <case> = <number> <unit>\", got \"" + line + "\"");
      peers_[line.substr(5, equals - 5)] = peer;
    }
  }

  double peerOf(const std::string& name, const std::string& unit) const {
    auto found = peers_.find(name);
    return found == peers_.end() || found->second.unit != unit ? UNKNOWN : found->second.value;
  }

  static std::string text(double value, int decimals) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.*f", decimals, value);
    return std::isfinite(value) ? digits : "n/a";
  }

  static std::string number(double value) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.6g", value);
    return std::isfinite(value) ? digits : "null";
  }

  static std::string quoted(const std::string& text) {
    std::string json = "\"";
    for (char c : text) {
      if (c == '"' || c == '\\') json += '\\';
      json += c;
    }
    return json + '"';
  }

  void writeJson() const {
    if (options_.json.empty()) return;
    std::ofstream out(options_.json);
    out << "[";
    for (size_t i = 0; i < rows_.size(); i++) {
      const Row& r = rows_[i];
      out << (i == 0 ? "\n" : ",\n") << "{\"suite\": " << quoted(suite_) << ", \"case\": " << quoted(r.name)
          << ", \"metric\": " << quoted(r.metric) << ", \"value\": " << number(r.value) << ", \"unit\": " << quoted(r.unit)
          << ", \"baseline\": " << number(r.baseline) << ", \"ratio\": " << number(r.ratio) << ", \"runs\": " << r.runs
          << ", \"min\": " << number(r.min) << ", \"max\": " << number(r.max) << ", \"device\": " << quoted(device_) << "}";
    }
    out << "\n]\n";
    if (!out) throw std::runtime_error("--json " + options_.json + ": cannot be written");
  }

  std::string suite_;
  Options options_;
  std::string device_;
  std::map<std::string, Peer> peers_;
  std::vector<Row> rows_;
};

// The least and the mean of ratios; UNKNOWN of none, or where one is.
struct Spread {
  std::vector<double> values;

  void add(double value) { values.push_back(value); }
  bool known() const {
    return !values.empty() && std::none_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
  }
  double least() const { return known() ? *std::min_element(values.begin(), values.end()) : UNKNOWN; }
  double most() const { return known() ? *std::max_element(values.begin(), values.end()) : UNKNOWN; }
  double mean() const {
    double sum = 0;
    for (double v : values) sum += v;
    return known() ? sum / double(values.size()) : UNKNOWN;
  }
  double geometricMean() const {
    double sum = 0;
    for (double v : values) sum += std::log(v);
    return known() ? std::exp(sum / double(values.size())) : UNKNOWN;
  }
};

// main() of a benchmark: 0, 1 where it failed, 2 where the arguments are wrong.
inline int run(int count, char** arguments, const char* suite, void (*body)(Report&)) {
  try {
    Options options = Options::parse(count, arguments);
#ifdef SPARROW_EMULATE
    if (!options.smoke) throw std::invalid_argument("the emulation tells no times: expected --smoke");
#endif
    Report report(suite, options);
    body(report);
    return 0;
  } catch (const std::invalid_argument& wrong) {
    std::fprintf(stderr, "%s\n", wrong.what());
    return 2;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s: FAILED: %s\n", suite, failure.what());
    return 1;
  }
}

}  // namespace bench
