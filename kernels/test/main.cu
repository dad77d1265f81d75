// Runs the checks of all families: [--only PREFIX] [--seed N] [--list]. Exits with 1 if one fails, 2 if the arguments are wrong
// or name no check.
#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "common/launch.cuh"
#include "test/check.h"

namespace {

bool passes(const test::Registered& registered, unsigned seed) {
  std::printf("%s\n", registered.name.c_str());
  std::fflush(stdout);
  test::Check check(seed);
  try {
    registered.body(check);
  } catch (const std::exception& error) {
    check.fail(error.what());
  }
  if (check.failures > 0) std::printf("    FAILED: repeat with --only %s --seed %u\n", registered.name.c_str(), seed);
  return check.failures == 0;
}

}  // namespace

int main(int count, char** arguments) {
  std::string only;
  unsigned seed = std::random_device()();
  bool list = false;
  for (int i = 1; i < count; i++) {
    std::string option = arguments[i];
    if (option == "--list") list = true;
    else if (option == "--only" && i + 1 < count) only = arguments[++i];
    else if (option == "--seed" && i + 1 < count) seed = unsigned(std::strtoul(arguments[++i], nullptr, 10));
    else {
      std::fprintf(stderr, "%s: expected [--only PREFIX] [--seed N] [--list]\n", option.c_str());
      return 2;
    }
  }
  auto checks = test::registry();
  std::stable_sort(checks.begin(), checks.end(), [](const auto& a, const auto& b) {
    return a.name.substr(0, a.name.find('.')) < b.name.substr(0, b.name.find('.'));
  });
  if (list) {
    for (const auto& check : checks) std::printf("%s\n", check.name.c_str());
    return 0;
  }
  int ran = 0, failed = 0;
  std::printf("device: %s, seed %u\n", device::name().c_str(), seed);
  for (const auto& check : checks) {
    if (check.name.compare(0, only.size(), only) != 0) continue;
    ran++;
    failed += !passes(check, seed);
  }
  std::printf("%d checks, %d failed\n", ran, failed);
  if (ran == 0) return 2;
  return failed > 0 ? 1 : 0;
}
