// Grids and blocks as gpu-core's dev.sparrow.backend.cuda chooses them (KernelQueue), so that what is timed is what runs.
#pragma once

#include <algorithm>

#include "common/launch.cuh"

namespace bench {

constexpr int THREADS = 256;            // of a block where a kernel leaves the choice
constexpr int ELEMENTS_PER_THREAD = 8;  // 16 bytes of bf16

// Blocks of 256 threads that the device runs at once.
inline int residentBlocks() { return 8 * device::multiprocessors(); }

// Blocks for so many pieces of work, perBlock of them at a time in a block.
inline int blocks(long long items, int perBlock) {
  return int(std::max(1ll, std::min((items + perBlock - 1) / perBlock, (long long)residentBlocks())));
}

inline int blocksOverElements(long long n) { return blocks(n, ELEMENTS_PER_THREAD * THREADS); }

// Threads for a row: whole warps, one thread for eight columns.
inline int threadsOfRow(int columns) { return std::min(THREADS, ((columns + 7) / 8 + 31) / 32 * 32); }

// Queues an element-wise kernel over n elements.
template <typename... Parameters, typename... Arguments>
void overElements(void (*kernel)(Parameters...), long long n, const Arguments&... arguments) {
  device::enqueue(kernel, blocksOverElements(n), THREADS, 0, arguments...);
}

}  // namespace bench
