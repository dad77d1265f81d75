// Uniformly sparse weights on their way to the whole matrix and back, as gpu-core's CudaSparseOps queues them before and after
// dense products.
#pragma once

#include "sparse/uniform.cu"

#include <algorithm>
#include <numeric>
#include <random>

#include "bench/memory_bound.h"

namespace bench {

// fanIn non-zeros in each row, drawn for groups of groupRows rows, which share their columns; all groups are live.
struct UniformPattern {
  int rows, columns, fanIn, groupRows;
  std::vector<int> indices;  // (groups, fanIn), ascending in each

  UniformPattern(int rows, int columns, int fanIn, int groupRows)
      : rows(rows), columns(columns), fanIn(fanIn), groupRows(groupRows) {
    std::mt19937 generator(13);
    std::vector<int> all(columns);
    std::iota(all.begin(), all.end(), 0);
    for (int g = 0; g < groups(); g++) std::sample(all.begin(), all.end(), std::back_inserter(indices), fanIn, generator);
  }

  int groups() const { return rows / groupRows; }
  size_t nonZeros() const { return size_t(rows) * fanIn; }
  size_t elements() const { return size_t(rows) * columns; }
  std::string name() const { return sizes(rows, columns) + " of " + std::to_string(fanIn) + " g" + std::to_string(groupRows); }

  // 32-byte pieces of the fp32 matrix that hold a non-zero: memory gives no less. Columns are a multiple of 8.
  size_t sectors() const {
    size_t count = 0;
    for (size_t i = 0; i < indices.size(); i++)
      if (i % fanIn == 0 || indices[i] / 8 != indices[i - 1] / 8) count += groupRows;
    return count;
  }
};

inline void sparseWeights(MemoryBound& m, const UniformPattern& p) {
  std::vector<int> live(p.groups());
  std::iota(live.begin(), live.end(), 0);
  device::Buffer<int> indices(p.indices), liveGroups(live);
  Normal<bf16> values(p.nonZeros());
  Normal<float> gradient(p.elements());
  device::Buffer<bf16> w(p.elements());
  Zeros<float> dvalues(p.nonZeros());
  long long n = (long long)p.nonZeros();
  double pattern = 4.0 * double(p.indices.size() + live.size());
  m.add({"uniform_expand" + p.name(), "zeros, uniform_expand_bf16", 2.0 * double(p.elements() + p.nonZeros()) + pattern, [&] {
           zero(w.data(), w.bytes());
           overElements(uniform_expand_bf16, n, values, indices, liveGroups, w, p.rows, p.fanIn, p.groupRows, p.columns);
         }}, w);
  m.add({"uniform_sample" + p.name(), "uniform_sample_f32", 32.0 * double(p.sectors()) + 8.0 * double(n) + pattern, [&] {
           overElements(uniform_sample_f32, n, gradient, indices, liveGroups, dvalues, p.rows, p.fanIn, p.groupRows, p.columns);
         }}, dvalues);
}

}  // namespace bench
