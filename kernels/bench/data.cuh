// Inputs and outputs of a benchmark: drawn on the device, and looked at there, since some are gigabytes.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "bench/grid.h"
#include "common/launch.cuh"
#include "common/philox.cuh"

namespace bench {

// Normally distributed values (Box & Muller 1958): zeros would be faster than what a model multiplies.
template <typename T>
__global__ void drawNormal(T* out, long long n, unsigned long long seed, float deviation, float mean) {
  long long threads = (long long)gridDim.x * blockDim.x;
  for (long long four = (long long)blockIdx.x * blockDim.x + threadIdx.x; four * 4 < n; four += threads) {
    uint4 words = philox::block(seed, 0, (unsigned long long)four);
    float radii[2] = {sqrtf(-2 * logf(philox::uniform(words.x) + 0x1p-25f)), sqrtf(-2 * logf(philox::uniform(words.z) + 0x1p-25f))};
    float angles[2] = {6.2831853f * philox::uniform(words.y), 6.2831853f * philox::uniform(words.w)};
    for (int i = 0; i < 4 && four * 4 + i < n; i++) {
      float circle = i % 2 == 0 ? cosf(angles[i / 2]) : sinf(angles[i / 2]);
      out[four * 4 + i] = fromFloat<T>(mean + deviation * radii[i / 2] * circle);
    }
  }
}

// Counts the elements that are not finite or, of integers, still poison.
template <typename T>
__global__ void countUnwritten(const T* values, long long n, int* count) {
  long long threads = (long long)gridDim.x * blockDim.x;
  int mine = 0;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads) {
    if constexpr (std::is_integral<T>::value) {
      mine += values[i] == T(-1);
    } else if constexpr (std::is_same<T, double>::value) {
      mine += !(values[i] - values[i] == 0);
    } else {
      float v = toFloat(values[i]);
      mine += !(v - v == 0);
    }
  }
  if (mine > 0) atomicAdd(count, mine);
}

// Counts the elements of two results that differ by more than absolute + relative·|b|.
template <typename T>
__global__ void countDifferent(const T* a, const T* b, long long n, float absolute, float relative, int* count) {
  long long threads = (long long)gridDim.x * blockDim.x;
  int mine = 0;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads) {
    float expected = toFloat(b[i]);
    mine += !(fabsf(toFloat(a[i]) - expected) <= absolute + relative * fabsf(expected));
  }
  if (mine > 0) atomicAdd(count, mine);
}

// A buffer of normally distributed values.
template <typename T>
struct Normal : device::Buffer<T> {
  explicit Normal(size_t size, float deviation = 1, float mean = 0) : device::Buffer<T>(size) {
    static unsigned long long seed = 0;
    overElements(drawNormal<T>, (long long)size, this->data(), (long long)size, ++seed, deviation, mean);
  }
};

// A buffer of zeros, for what is added to.
template <typename T>
struct Zeros : device::Buffer<T> {
  explicit Zeros(size_t size) : device::Buffer<T>(size) { device::fill(this->data(), 0, this->bytes()); }
};

// Queues zeros.
inline void zero(void* p, size_t bytes) {
#ifdef SPARROW_EMULATE
  device::fill(p, 0, bytes);
#else
  device::check(cudaMemsetAsync(p, 0, bytes), "cudaMemsetAsync");
#endif
}

// Throws where a launch has left part of an output as it was, or has written beside it.
template <typename T>
void requireWritten(const std::string& what, const device::Buffer<T>& output) {
  Zeros<int> count(1);
  overElements(countUnwritten<T>, (long long)output.size(), output.data(), (long long)output.size(), count);
  int unwritten = count.toHost()[0];
  if (unwritten > 0)
    throw std::runtime_error(what + ": " + std::to_string(unwritten) + " of " + std::to_string(output.size()) +
                             " elements are not written or not finite");
  output.checkGuards();
}

// Throws where two ways to the same result differ.
template <typename T>
void requireSame(const std::string& what, const device::Buffer<T>& a, const device::Buffer<T>& b, float absolute, float relative) {
  Zeros<int> count(1);
  overElements(countDifferent<T>, (long long)a.size(), a.data(), b.data(), (long long)a.size(), absolute, relative, count);
  int different = count.toHost()[0];
  if (different > 0)
    throw std::runtime_error(what + ": " + std::to_string(different) + " of " + std::to_string(a.size()) + " elements differ from " +
                             "those of the other way");
}

// For several outputs of one case.
template <typename... Buffers>
void requireAllWritten(const std::string& what, const Buffers&... outputs) {
  int number = 0;
  (requireWritten(what + ", output " + std::to_string(++number), outputs), ...);
}

}  // namespace bench
