// Timing on a device: medians by events, with inputs rotated so that they come from memory and not from the cache.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include "common/launch.cuh"

namespace bench {

constexpr int WARM_UP = 5, RUNS = 30;

// Milliseconds of body(run), the median of RUNS; body only launches.
inline double milliseconds(const std::function<void(int)>& body) {
  cudaEvent_t start, end;
  device::check(cudaEventCreate(&start), "cudaEventCreate");
  device::check(cudaEventCreate(&end), "cudaEventCreate");
  std::vector<float> times(RUNS);
  for (int run = -WARM_UP; run < RUNS; run++) {
    device::check(cudaEventRecord(start), "cudaEventRecord");
    body(run + WARM_UP);
    device::check(cudaEventRecord(end), "cudaEventRecord");
    device::check(cudaEventSynchronize(end), "cudaEventSynchronize");
    if (run >= 0) device::check(cudaEventElapsedTime(&times[run], start, end), "cudaEventElapsedTime");
  }
  cudaEventDestroy(start);
  cudaEventDestroy(end);
  std::sort(times.begin(), times.end());
  return times[RUNS / 2];
}

// Blocks of a kernel that fit the device at once.
template <typename Kernel>
int residentBlocks(Kernel kernel, int threads, size_t sharedBytes) {
  device::check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                     int(sharedBytes)),
                "cudaFuncSetAttribute");
  cudaDeviceProp properties;
  device::check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  int perMultiprocessor = 0;
  device::check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&perMultiprocessor, kernel, threads, sharedBytes),
                "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  return perMultiprocessor * properties.multiProcessorCount;
}

}  // namespace bench
