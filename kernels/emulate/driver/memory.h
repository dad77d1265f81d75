// Memory of a device and pinned memory of the host.
//
// A device allocation lies between guard zones, which lie between pages that nothing may touch:
//
//   page of nothing | guard (512 bytes) | data, aligned to 512 | guard, to the end of its page and 512 bytes at least | page of nothing
//
// Data starts as 0xFF bytes, which reads as NaN or -1. Freed memory becomes untouchable and keeps its address for a while,
// so that work which still uses it fails there. All here is guarded by the driver's lock.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "emulate/driver/report.h"

namespace driver {

struct Allocation {
  uint64_t number = 0;  // counted from 1 in the context
  unsigned char* mapping = nullptr;
  size_t mappingBytes = 0;
  unsigned char* data = nullptr;
  size_t bytes = 0;

  // Where a guard byte differs from what was put there, as "3 bytes past its end"; empty where none does.
  std::string damage() const;
  void renewGuards();
  // "allocation 7, 512 bytes at 0x7f..."
  std::string words() const;
};

// What a kernel or a copy may touch on one device.
class Heap {
 public:
  explicit Heap(size_t limitBytes_) : limitBytes(limitBytes_) {}
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // Throws Refusal with CUDA_ERROR_OUT_OF_MEMORY past the limit.
  CUdeviceptr allocate(size_t bytes);
  // Throws Refusal unless address is the start of a live allocation.
  void free(CUdeviceptr address);
  // The live allocation that holds [address, address + bytes), or null; with 0 bytes the end counts as inside.
  Allocation* find(CUdeviceptr address, size_t bytes) const;
  // Throws DeviceFailure where a guard was written.
  void checkGuards() const;
  static void checkGuards(Allocation& allocation);
  // What lies at an address that nothing may touch.
  std::string describe(CUdeviceptr address) const;

  size_t freeBytes() const { return limitBytes - usedBytes; }
  size_t totalBytes() const { return limitBytes; }
  size_t count() const { return live.size(); }

 private:
  size_t limitBytes, usedBytes = 0;
  uint64_t allocations = 0;
  std::map<CUdeviceptr, std::unique_ptr<Allocation>> live;  // by data
  std::deque<std::unique_ptr<Allocation>> freed;
};

// Page-locked host memory, allocated here or registered; every context may use it, and it goes with the one that made it.
class PinnedMemory {
 public:
  void* allocate(size_t bytes, const void* owner);
  void free(void* address);
  void freeAllOf(const void* owner);
  void add(void* address, size_t bytes, const void* owner);
  void remove(void* address);
  bool holds(const void* address, size_t bytes) const;
  // The bytes of the range that starts at address; throws Refusal with CUDA_ERROR_INVALID_VALUE where there is none.
  size_t bytesAt(const void* address, bool allocated) const;

 private:
  struct Range { size_t bytes; bool allocated; const void* owner; };
  std::map<uintptr_t, Range> ranges;
};

}  // namespace driver
