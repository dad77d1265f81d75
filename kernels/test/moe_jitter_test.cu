// Checks of moe/jitter.cu against the definition, draw by draw. The cipher itself is checked with the element-wise kernels.
#include "moe/jitter.cu"

#include "common/launch.cuh"
#include "test/check.h"

namespace {

struct Shape { int n, blocks, threads, offset; };

// One element, odd, around packs of 4 and 8 and a block's share, unaligned, tokens of a model's width.
const Shape SHAPES[] = {{1, 1, 32, 0},   {3, 2, 32, 0},   {7, 1, 32, 0},   {8, 1, 32, 0},    {9, 1, 32, 0},
                        {255, 1, 32, 0}, {256, 1, 32, 0}, {257, 1, 32, 0}, {1001, 2, 64, 3}, {5 * 768, 3, 128, 0}};

// The product wraps, passes 2^32 draws' blocks, and is and is not a multiple of 4.
struct Start { unsigned long long firstToken, perToken; };
const Start STARTS[] = {{0, 768}, {3, 4}, {5, 3}, {1, 6}, {1ull << 33, (1ull << 31) + 3}, {~0ull, 5}};

template <typename T>
void checkJitter(test::Check& check,
                 void (*kernel)(const T*, float, float, unsigned long long, unsigned long long, const unsigned long long*,
                                unsigned long long, int, T*, long long)) {
  for (const Shape& s : SHAPES)
    for (float epsilon : {0.0f, 0.01f, 0.9f})
      for (const Start& start : STARTS) {
        unsigned long long seed = 0xFEDCBA9876543210ull + check.random(), stream = 0x8000000000000007ull + check.random();
        unsigned long long counter = start.firstToken * start.perToken;
        auto x = check.normal<T>(s.offset + s.n);
        float low = 1 - epsilon, span = 2 * epsilon;
        std::vector<T> expected;
        std::vector<float> factors;
        for (int i = 0; i < s.n; i++) {
          // -ffp-contract=off: every operation is rounded by itself, as in the CPU backend.
          float factor = low + span * (float(philox::word(seed, stream, counter + i) >> 8) * 0x1p-24f);
          factors.push_back(factor);
          expected.push_back(fromFloat<T>(toFloat(x[s.offset + i]) * factor));
        }
        device::Buffer<unsigned long long> first(std::vector<unsigned long long>{start.firstToken});
        std::string what = " (" + std::to_string(s.n) + " from " + std::to_string(s.offset) + ", epsilon " +
                           std::to_string(epsilon) + ", counter " + std::to_string(counter) + ")";
        device::Buffer<T> X(x);
        auto run = [&](const device::Buffer<T>& out, int offset, int accumulate = 0) {
          device::launch(kernel, s.blocks, s.threads, 0, X.data() + s.offset, low, span, seed, stream, first, start.perToken,
                         accumulate, out.data() + offset, s.n);
          auto all = out.toHost();
          return std::vector<T>(all.begin() + offset, all.begin() + offset + s.n);
        };
        for (int offset : {0, 1}) check.identical("jittered" + what, run(device::Buffer<T>(s.n + offset), offset), expected);
        auto before = check.normal<T>(s.n);
        std::vector<double> added;
        for (int i = 0; i < s.n; i++)
          added.push_back(double(toFloat(before[i])) + factors[i] * double(toFloat(x[s.offset + i])));
        check.near("accumulated" + what, run(device::Buffer<T>(before), 0, 1), added, 4e-7, sizeof(T) == 2 ? 0.0040 : 1e-6);
        check.identical("in place" + what, run(X, s.offset), expected);
      }
}

SPARROW_CHECK(moe_jitter, f32) { checkJitter<float>(check, jitter_f32); }
SPARROW_CHECK(moe_jitter, bf16) { checkJitter<bf16>(check, jitter_bf16); }

}  // namespace
