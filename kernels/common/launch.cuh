// Launching kernels and holding device memory from the test and benchmark programs, on a GPU or emulated.
// Not for kernels. Everything here but enqueue is synchronous; all of it throws std::runtime_error on failure.
#pragma once

#include "common/types.cuh"

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace device {

#ifdef SPARROW_EMULATE

inline std::string name() { return "host emulation"; }
inline void* allocate(size_t bytes) { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
inline void release(void* p) { std::free(p); }
inline void copy(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
inline void fill(void* p, unsigned char byte, size_t bytes) { std::memset(p, byte, bytes); }
inline void synchronize() {}
inline int multiprocessors() { return 4; }  // several, and fewer than the checks' and benchmarks' pieces of work
inline size_t mostSharedBytes() { return 163 * 1024; }  // of capability 8.0

#else

inline void check(cudaError_t error, const char* call) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(error));
}
inline std::string name() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  return properties.name;
}
inline void* allocate(size_t bytes) {
  void* p = nullptr;
  check(cudaMalloc(&p, bytes), "cudaMalloc");
  return p;
}
inline void release(void* p) { cudaFree(p); }
inline void copy(void* to, const void* from, size_t bytes) {
  check(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "cudaMemcpy");
}
inline void fill(void* p, unsigned char byte, size_t bytes) { check(cudaMemset(p, byte, bytes), "cudaMemset"); }
inline void synchronize() { check(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); }
inline int multiprocessors() {
  static int count = [] {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
    return value;
  }();
  return count;
}
// That a block may have.
inline size_t mostSharedBytes() {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), "cudaDeviceGetAttribute");
  return size_t(value);
}

#endif

// An array of T in device memory, 256-byte aligned, poisoned at birth: every byte is 0xFF, which reads as NaN in fp32
// and bf16 and as -1 in integers. Guard bytes lie on both sides; toHost() throws if they were written.
template <typename T>
class Buffer {
 public:
  explicit Buffer(size_t size) : size_(size), base_(static_cast<unsigned char*>(allocate(bytes() + 2 * GUARD_BYTES))) {
    fill(base_, GUARD, bytes() + 2 * GUARD_BYTES);
    poison();
  }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    copy(data(), values.data(), bytes());
  }
  ~Buffer() { release(base_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* data() const { return reinterpret_cast<T*>(base_ + GUARD_BYTES); }
  operator T*() const { return data(); }  // a kernel's argument
  size_t size() const { return size_; }

  size_t bytes() const { return size_ * sizeof(T); }

  void poison() { fill(data(), 0xFF, bytes()); }

  std::vector<T> toHost() const {
    checkGuards();
    std::vector<T> values(size_);
    copy(values.data(), data(), bytes());
    return values;
  }

  void checkGuards() const {
    unsigned char guards[2 * GUARD_BYTES];
    copy(guards, base_, GUARD_BYTES);
    copy(guards + GUARD_BYTES, base_ + GUARD_BYTES + bytes(), GUARD_BYTES);
    for (size_t i = 0; i < sizeof guards; i++)
      if (guards[i] != GUARD)
        throw std::runtime_error("a kernel wrote " + std::string(i < GUARD_BYTES ? "before" : "behind") +
                                 " a buffer of " + std::to_string(bytes()) + " bytes");
  }

 private:
  static constexpr size_t GUARD_BYTES = 256;
  static constexpr unsigned char GUARD = 0xA5;

  size_t size_;
  unsigned char* base_;
};

// Queues kernel(arguments...) on the default stream; emulated, it runs at once.
template <typename... Parameters, typename... Arguments>
void enqueue(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t sharedBytes, const Arguments&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument for each parameter of the kernel");
#ifdef SPARROW_EMULATE
  emulate::run(grid, block, sharedBytes, [&] { kernel(static_cast<Parameters>(arguments)...); });
#else
  if (sharedBytes > 48 * 1024)
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               int(sharedBytes)),
          "cudaFuncSetAttribute");
  kernel<<<grid, block, sharedBytes>>>(static_cast<Parameters>(arguments)...);
  check(cudaGetLastError(), "launch");
#endif
}

// The same, and waits for its end.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t sharedBytes, const Arguments&... arguments) {
  enqueue(kernel, grid, block, sharedBytes, arguments...);
  synchronize();
}

}  // namespace device
