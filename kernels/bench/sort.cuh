// A routing's metadata as gpu-core makes it (AssignmentSort, DroplessDispatch): assignments sorted by expert, and where each
// expert starts.
#pragma once

#include "bench/grid.h"
#include "moe/load.cu"
#include "moe/sort.cu"

namespace bench {

class AssignmentSort {
 public:
  AssignmentSort(long long assignments, int experts, int topK)
      : assignments_(assignments), experts_(experts), topK_(topK), perBlock_(perBlock(assignments)),
        blocks_(int((assignments + perBlock_ - 1) / perBlock_)), starts_(size_t(blocks_) * (experts + 1)) {}

  // experts I32 (T, k) to offsets (E + 1), load (E), tokenOf (P) and rowOf (T, k).
  void operator()(const int* experts, int* offsets, int* load, int* tokenOf, int* rowOf) const {
    size_t binBytes = (experts_ + 1) * sizeof(int);
    device::enqueue(moe_sort_histogram_i32, blocks_, THREADS, binBytes, experts, starts_, assignments_, experts_, perBlock_);
    device::enqueue(moe_sort_scan_i32, 1, THREADS, 0, starts_, offsets, experts_, blocks_);
    device::enqueue(moe_sort_scatter_i32, blocks_, THREADS, THREADS / 32 * binBytes, experts, starts_, tokenOf, rowOf,
                    assignments_, experts_, topK_, perBlock_);
    device::enqueue(moe_load_i32, 1, THREADS, 0, offsets, load, experts_);
  }

 private:
  // A multiple of the block, so that two blocks a multiprocessor share the work.
  static int perBlock(long long assignments) {
    long long blocks = 2 * device::multiprocessors(), share = std::max(1024ll, (assignments + blocks - 1) / blocks);
    return int((share + THREADS - 1) / THREADS * THREADS);
  }

  long long assignments_;
  int experts_, topK_, perBlock_, blocks_;
  device::Buffer<int> starts_;
};

}  // namespace bench
