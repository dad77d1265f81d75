// Checks of nn/attention_cached.cu against double arithmetic.
#include "nn/attention_cached.cu"

#include "common/launch.cuh"
#include "test/attention_check.h"
#include "test/check.h"

namespace {

using attention_check::Problem;
using attention_check::Shape;

constexpr int CAPACITY = 300;

// Rows `position` to `position + length - 1` of each sequence of a (sequences, rows, columns) array.
std::vector<bf16> slice(const std::vector<bf16>& all, int sequences, int rows, int columns, int position, int length) {
  std::vector<bf16> part;
  for (int s = 0; s < sequences; s++) {
    auto from = all.begin() + (size_t(s) * rows + position) * columns;
    part.insert(part.end(), from, from + size_t(length) * columns);
  }
  return part;
}

struct Caches {
  device::Buffer<bf16> keys, values;
  int offset;

  Caches(const Shape& s, int offset_)
      : keys(size_t(s.sequences) * CAPACITY * s.width() + offset_), values(keys.size()), offset(offset_) {}

  void check(test::Check& check, const Problem& p, int filled) const {
    auto keysNow = keys.toHost(), valuesNow = values.toHost();
    for (int part = 1; part < 3; part++) {
      const std::vector<bf16>& now = part == 1 ? keysNow : valuesNow;
      size_t wrong = 0;
      for (int s = 0; s < p.shape.sequences; s++)
        for (int row = 0; row < CAPACITY; row++)
          for (int c = 0; c < p.shape.width(); c++) {
            bf16 is = now[offset + (size_t(s) * CAPACITY + row) * p.shape.width() + c];
            bf16 expected = row < filled ? p.qkv[p.packed(s, 0, row, part) + c] : __ushort_as_bfloat16(0xFFFF);
            wrong += std::memcmp(&is, &expected, 2) != 0;
          }
      check.that(wrong == 0, p.shape.name() + ": " + std::to_string(wrong) + " elements differ in the cache of " +
                                 (part == 1 ? "keys" : "values"));
    }
  }
};

// Feeds a problem's tokens in steps of these lengths; the caches hold NaN past what was appended.
std::vector<std::vector<bf16>> generate(test::Check& check, const Problem& p, const std::vector<int>& steps, int threads,
                                        int offset, bool appendFirst = false) {
  const Shape& s = p.shape;
  Caches caches(s, offset);
  std::vector<std::vector<bf16>> outs;
  int position = 0;
  for (int length : steps) {
    auto fresh = slice(p.qkv, s.sequences, s.length, 3 * s.width(), position, length);
    fresh.insert(fresh.begin(), offset, fromFloat<bf16>(NAN));
    device::Buffer<bf16> Qkv(fresh), Out(size_t(s.sequences) * length * s.width());
    if (appendFirst && position == 0) {
      device::launch(attention_append_bf16, dim3(length, s.sequences), 32, 0, Qkv.data() + offset, caches.keys.data() + offset,
                     caches.values.data() + offset, s.width(), CAPACITY, position);
    } else {
      device::launch(attention_cached_bf16, dim3(length, s.heads, s.sequences), threads,
                     threads / 32 * (s.headWidth + 2) * sizeof(float), Qkv.data() + offset, caches.keys.data() + offset,
                     caches.values.data() + offset, Out, length, s.heads, s.headWidth, CAPACITY, position, s.scale());
    }
    position += length;
    caches.check(check, p, position);
    outs.push_back(Out.toHost());
  }
  return outs;
}

void checkGeneration(test::Check& check, const Problem& p, const std::vector<int>& steps, int threads, int offset,
                     bool appendFirst = false) {
  const Shape& s = p.shape;
  auto outs = generate(check, p, steps, threads, offset, appendFirst);
  int position = 0;
  for (size_t step = 0; step < steps.size(); position += steps[step], step++) {
    if (appendFirst && step == 0) continue;
    attention_check::Sums expected(0);
    for (int q = 0; q < s.sequences; q++)
      for (size_t i = p.plain(q, 0, position); i < p.plain(q, 0, position) + size_t(steps[step]) * s.width(); i++) {
        expected.value.push_back(p.o.value[i]);
        expected.magnitude.push_back(p.o.magnitude[i]);
      }
    std::string what = ", position " + std::to_string(position) + ", " + std::to_string(threads) + " threads";
    attention_check::within(check, s.name() + what, outs[step], expected, p.tolerance());
  }
}

}  // namespace

// A prompt, a single token, a chunk.
SPARROW_CHECK(attention, cached_equals_attention_over_all_tokens) {
  for (int width : {1, 5, 7, 8, 17, 40, 64, 80, 128, 136, 255, 256})
    for (int threads : {32, 256}) checkGeneration(check, Problem(check, {1, 41, 2, width}), {35, 1, 5}, threads, width % 2);
}

// More past tokens than the block has in flight.
SPARROW_CHECK(attention, cached_after_many_tokens) {
  for (int threads : {64, 256}) checkGeneration(check, Problem(check, {2, 290, 2, 64}), {285, 1, 3, 1}, threads, 0, true);
  checkGeneration(check, Problem(check, {1, 290, 2, 7}), {286, 3, 1}, 32, 1, true);
}

SPARROW_CHECK(attention, cached_at_unaligned_addresses) {
  checkGeneration(check, Problem(check, {2, 41, 2, 64}), {35, 1, 5}, 128, 1);
}

SPARROW_CHECK(attention, cached_takes_large_scores) {
  checkGeneration(check, Problem(check, {1, 100, 1, 64}, {}, 8.0f), {97, 1, 2}, 256, 0);
}

SPARROW_CHECK(attention, appended_prompt_is_as_if_attended) {
  for (int width : {5, 64})
    for (int offset : {0, 1}) checkGeneration(check, Problem(check, {2, 40, 3, width}), {38, 1, 1}, 64, offset, true);
}

SPARROW_CHECK(attention, cached_gives_the_same_bits_again) {
  Problem p(check, {1, 71, 2, 40});
  auto first = generate(check, p, {15, 1, 5}, 256, 0);
  for (int round = 0; round < 2; round++) {
    auto again = generate(check, p, {15, 1, 5}, 256, 0);
    for (size_t step = 0; step < first.size(); step++) check.identical("out", again[step], first[step]);
  }
}
