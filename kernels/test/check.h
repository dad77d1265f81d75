// The harness of the kernels' checks.
//
//   SPARROW_CHECK(norm, layer_norm_forward) { ... check.near("y", actual, expected, 1e-6, 1e-5); }
//
// registers the check norm.layer_norm_forward. Its body sees `check`, which makes random inputs and compares results. A
// failed comparison is printed and counted, and the body goes on; an exception ends the body and counts as one failure.
#pragma once

#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "common/types.cuh"

namespace test {

class Check {
 public:
  explicit Check(unsigned seed) : random(seed) {}

  std::mt19937 random;

  // Normally distributed values, as T would store them.
  template <typename T>
  std::vector<T> normal(size_t size, float scale = 1.0f, float mean = 0.0f) {
    std::normal_distribution<float> distribution(mean, scale);
    std::vector<T> values(size);
    for (T& value : values) value = fromFloat<T>(distribution(random));
    return values;
  }

  // An integer in [low, high].
  int integer(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

  // |actual - expected| <= absolute + relative |expected| for every element; NaN equals NaN only. Says which element is worst.
  template <typename T, typename R>
  void near(const std::string& what, const std::vector<T>& actual, const std::vector<R>& expected, double absolute,
            double relative) {
    if (!sameSize(what, actual.size(), expected.size())) return;
    size_t worst = 0, wrong = 0;
    double worstRatio = -1;
    for (size_t i = 0; i < actual.size(); i++) {
      double ratio = excess(asDouble(actual[i]), asDouble(expected[i]), absolute, relative);
      if (ratio > 1) wrong++;
      if (ratio > worstRatio) worstRatio = ratio, worst = i;
    }
    if (wrong == 0) return;
    fail(what + ": " + std::to_string(wrong) + " of " + std::to_string(actual.size()) + " differ; worst at index " +
         std::to_string(worst) + ": got " + text(asDouble(actual[worst])) + ", expected " +
         text(asDouble(expected[worst])) + ", allowed " + text(absolute) + " + " + text(relative) + "*|expected|");
  }

  // Every element the same, to the bit where T is an integer.
  template <typename T>
  void equal(const std::string& what, const std::vector<T>& actual, const std::vector<T>& expected) {
    if (!sameSize(what, actual.size(), expected.size())) return;
    for (size_t i = 0; i < actual.size(); i++)
      if (!(actual[i] == expected[i]))
        return fail(what + ": index " + std::to_string(i) + ": got " + text(double(actual[i])) + ", expected " +
                    text(double(expected[i])));
  }

  // The same bytes: for runs that must repeat exactly.
  template <typename T>
  void identical(const std::string& what, const std::vector<T>& actual, const std::vector<T>& expected) {
    if (!sameSize(what, actual.size(), expected.size())) return;
    for (size_t i = 0; i < actual.size(); i++)
      if (std::memcmp(&actual[i], &expected[i], sizeof(T)) != 0)
        return fail(what + ": index " + std::to_string(i) + ": got " + text(asDouble(actual[i])) + ", before " +
                    text(asDouble(expected[i])));
  }

  void that(bool condition, const std::string& message) {
    if (!condition) fail(message);
  }

  void fail(const std::string& message) {
    failures++;
    std::printf("    %s\n", message.c_str());
  }

  int failures = 0;

 private:
  template <typename T> static double asDouble(T v) { return double(v); }
  static double asDouble(bf16 v) { return toFloat(v); }

  // The error in units of what is allowed; infinite where only one is NaN or they are not finite and differ.
  static double excess(double actual, double expected, double absolute, double relative) {
    if (std::isnan(expected) && std::isnan(actual)) return 0;
    if (actual == expected) return 0;
    double error = std::fabs(actual - expected), allowed = absolute + relative * std::fabs(expected);
    if (!std::isfinite(error)) return INFINITY;
    return error <= allowed ? (allowed > 0 ? error / allowed : 0) : (allowed > 0 ? error / allowed : INFINITY);
  }

  static std::string text(double v) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.9g", v);
    return digits;
  }

  bool sameSize(const std::string& what, size_t actual, size_t expected) {
    if (actual == expected) return true;
    fail(what + ": got " + std::to_string(actual) + " elements, expected " + std::to_string(expected));
    return false;
  }
};

struct Registered {
  std::string name;  // family.check
  void (*body)(Check&);
};

// All checks; those of one file in the order in which it states them.
inline std::vector<Registered>& registry() {
  static std::vector<Registered> checks;
  return checks;
}

struct Registration {
  Registration(const char* name, void (*body)(Check&)) { registry().push_back({name, body}); }
};

}  // namespace test

#define SPARROW_CHECK(family, name)                                                                       \
  static void check_##family##_##name(test::Check& check);                                                \
  static test::Registration register_##family##_##name(#family "." #name, check_##family##_##name);       \
  static void check_##family##_##name([[maybe_unused]] test::Check& check)
