// What memory-bound kernels are measured against: the device's own copy, bytes read plus bytes written.
#pragma once

#include "bench/data.cuh"
#include "bench/stopwatch.h"

namespace bench {

class DeviceCopy {
 public:
  explicit DeviceCopy(bool smoke) : from_(smoke ? 1 << 10 : MOST_BYTES / 2 / sizeof(float)), to_(from_.size()) {}

  // Bytes that one copy can move.
  long long most() const { return 2 * (long long)from_.bytes(); }

  // A copy that moves so many bytes, at most most(): half are read, half written.
  Body of(long long bytes) const {
    size_t half = size_t(bytes / 2);
    return [=] {
#ifdef SPARROW_EMULATE
      device::copy(to_.data(), from_.data(), half);
#else
      device::check(cudaMemcpyAsync(to_.data(), from_.data(), half, cudaMemcpyDeviceToDevice), "cudaMemcpyAsync");
#endif
    };
  }

  // GB/s of the largest copy; adds its case.
  double measure(Report& report, Stopwatch& stopwatch) const {
    Case largest = {"copy", "cudaMemcpyAsync", double(most()), GIGABYTES, timesOf(stopwatch, of(most()))};
    report.add(largest);
    return rate(largest.work, largest.times.median(), GIGABYTES);
  }

 private:
  static constexpr size_t MOST_BYTES = size_t(4) << 30;

  Normal<float> from_;
  device::Buffer<float> to_;
};

}  // namespace bench
