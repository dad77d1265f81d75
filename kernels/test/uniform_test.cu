// Checks of sparse/uniform.cu against the pattern's places, one by one.
#include "sparse/uniform.cu"

#include <set>

#include "common/launch.cuh"
#include "test/check.h"

namespace {

struct Pattern {
  int rows, columns, fanIn, groupRows;
  std::vector<int> liveGroups, indices;

  int liveRows() const { return int(liveGroups.size()) * groupRows; }
  size_t nonZeros() const { return size_t(liveRows()) * fanIn; }
  // Where a value lies in the matrix.
  size_t place(size_t value) const {
    size_t row = value / fanIn, group = row / groupRows;
    return (size_t(liveGroups[group]) * groupRows + row % groupRows) * columns + indices[group * fanIn + value % fanIn];
  }
};

struct Case { int groups, groupRows, columns, fanIn, blocks, threads; };

const Case CASES[] = {{1, 1, 1, 1, 1, 32},   {5, 1, 7, 3, 1, 32},    {33, 1, 65, 65, 3, 64},
                      {12, 4, 31, 5, 2, 96}, {3, 64, 128, 12, 5, 32}, {40, 2, 33, 1, 1, 32}};

// A random one; about a third of the groups are off, the last never.
Pattern draw(test::Check& check, const Case& c) {
  Pattern pattern{c.groups * c.groupRows, c.columns, c.fanIn, c.groupRows, {}, {}};
  for (int g = 0; g < c.groups; g++)
    if (g == c.groups - 1 || check.integer(0, 2) > 0) pattern.liveGroups.push_back(g);
  for (size_t g = 0; g < pattern.liveGroups.size(); g++) {
    std::set<int> chosen;
    while (int(chosen.size()) < c.fanIn) chosen.insert(check.integer(0, c.columns - 1));
    pattern.indices.insert(pattern.indices.end(), chosen.begin(), chosen.end());
  }
  return pattern;
}

std::string name(const Case& c) {
  return " (" + std::to_string(c.groups) + " groups of " + std::to_string(c.groupRows) + ", " + std::to_string(c.fanIn) +
         " of " + std::to_string(c.columns) + ")";
}

template <typename T>
void checkExpand(test::Check& check, void (*kernel)(const T*, const int*, const int*, T*, long long, int, int, int)) {
  for (const Case& c : CASES) {
    Pattern p = draw(check, c);
    auto values = check.normal<T>(p.nonZeros());
    std::vector<T> zeros(size_t(p.rows) * p.columns, fromFloat<T>(0)), expected = zeros;
    for (size_t i = 0; i < values.size(); i++) expected[p.place(i)] = values[i];
    device::Buffer<T> V(values), W(zeros);
    device::Buffer<int> I(p.indices), G(p.liveGroups);
    device::launch(kernel, c.blocks, c.threads, 0, V, I, G, W, p.liveRows(), p.fanIn, p.groupRows, p.columns);
    check.identical("w" + name(c), W.toHost(), expected);
  }
}

SPARROW_CHECK(uniform, expand_f32_writes_values_to_their_places) { checkExpand<float>(check, uniform_expand_f32); }
SPARROW_CHECK(uniform, expand_bf16_writes_values_to_their_places) { checkExpand<bf16>(check, uniform_expand_bf16); }

SPARROW_CHECK(uniform, sample_adds_what_lies_at_the_places) {
  for (const Case& c : CASES) {
    Pattern p = draw(check, c);
    auto w = check.normal<float>(size_t(p.rows) * p.columns), values = check.normal<float>(p.nonZeros());
    std::vector<float> expected = values;
    for (size_t i = 0; i < values.size(); i++) expected[i] += w[p.place(i)];
    device::Buffer<float> W(w), V(values);
    device::Buffer<int> I(p.indices), G(p.liveGroups);
    device::launch(uniform_sample_f32, c.blocks, c.threads, 0, W, I, G, V, p.liveRows(), p.fanIn, p.groupRows,
                   p.columns);
    check.identical("values" + name(c), V.toHost(), expected);
  }
}

SPARROW_CHECK(uniform, mask_leaves_what_its_bits_name) {
  for (int n : {1, 31, 32, 33, 1000}) {
    std::vector<int> bits((n + 31) / 32);
    for (int& word : bits) word = check.integer(-(1 << 30), 1 << 30) * 2 + check.integer(0, 1);
    auto w = check.normal<float>(n);
    w[n / 2] = INFINITY;
    std::vector<float> expected = w;
    for (int i = 0; i < n; i++)
      if ((unsigned(bits[i / 32]) >> (i % 32)) % 2 == 0) expected[i] = 0;
    device::Buffer<int> B(bits);
    device::Buffer<float> W(w);
    device::launch(uniform_mask_f32, 3, 96, 0, B, W, (long long)n);
    check.identical("w of " + std::to_string(n), W.toHost(), expected);
  }
}

}  // namespace
