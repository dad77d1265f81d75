// Checks of moe/load.cu.
#include "moe/load.cu"

#include "common/launch.cuh"
#include "test/check.h"

namespace {

struct Case { int experts, blocks, threads; };
const Case CASES[] = {{1, 1, 32},  {7, 1, 32},   {31, 2, 32},    {32, 1, 32},
                      {33, 1, 32}, {64, 1, 256}, {1024, 1, 256}, {1000, 3, 64}};

// Loads from 0 to some thousands, many of them 0, and their offsets.
struct Loads {
  std::vector<int> load, offsets{0};

  Loads(test::Check& check, int experts) {
    for (int e = 0; e < experts; e++) {
      load.push_back(check.integer(0, 2) == 0 ? 0 : check.integer(1, 70000));
      offsets.push_back(offsets.back() + load.back());
    }
  }
};

SPARROW_CHECK(moe_load, loads_are_differences_of_offsets) {
  for (const Case& c : CASES) {
    Loads loads(check, c.experts);
    device::Buffer<int> offsets(loads.offsets), load(c.experts);
    device::launch(moe_load_i32, c.blocks, c.threads, 0, offsets, load, c.experts);
    check.equal("load of " + std::to_string(c.experts), load.toHost(), loads.load);
  }
}

SPARROW_CHECK(moe_load, the_balance_gradient_is_in_proportion_to_the_load) {
  for (const Case& c : CASES) {
    Loads loads(check, c.experts);
    const float scale = 3.1e-7f;
    std::vector<double> expected;
    for (int load : loads.load) expected.push_back(double(scale) * load);
    device::Buffer<int> load(loads.load);
    device::Buffer<float> gradient(c.experts);
    device::launch(moe_load_balancing_gradient_f32, c.blocks, c.threads, 0, load, scale, gradient, c.experts);
    check.near("gradient of " + std::to_string(c.experts), gradient.toHost(), expected, 0, 1e-7);
  }
}

SPARROW_CHECK(moe_load, loads_of_micro_batches_add_up) {
  for (const Case& c : CASES) {
    Loads first(check, c.experts), second(check, c.experts);
    std::vector<int> expected;
    for (int e = 0; e < c.experts; e++) expected.push_back(first.load[e] + second.load[e]);
    device::Buffer<int> load(second.load), sums(first.load);
    device::launch(moe_add_load_i32, c.blocks, c.threads, 0, load, sums, c.experts);
    check.equal("sums of " + std::to_string(c.experts), sums.toHost(), expected);
  }
}

}  // namespace
