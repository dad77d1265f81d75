#include "emulate/driver/operation.h"

#include <cstring>

#include "emulate/driver/arguments.h"
#include "emulate/simt.h"

namespace driver {

namespace {

void* pointer(CUdeviceptr address) { return reinterpret_cast<void*>(uintptr_t(address)); }

std::string words(const Dimensions& d) {
  return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")";
}

Allocation* requireDevice(const Heap& heap, CUdeviceptr address, size_t bytes) {
  Allocation* a = heap.find(address, bytes);
  if (a != nullptr || bytes == 0) return a;
  throw DeviceFailure(CUDA_ERROR_ILLEGAL_ADDRESS, std::to_string(bytes) + " bytes at " + hex(address) +
                                                      " are not inside one live allocation: it is " +
                                                      heap.describe(address));
}

}  // namespace

void LaunchShape::require(const Function& function) const {
  const Kernel& kernel = function.kernel;
  std::string got = kernel.name + ": grid " + words(grid) + ", block " + words(block) + ": ";
  auto refuse = [&](const std::string& text) { throw Refusal(CUDA_ERROR_INVALID_VALUE, got + text); };
  if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    refuse("expected a grid of 1..2147483647 by 1..65535 by 1..65535");
  if (block.x < 1 || block.y < 1 || block.z < 1 || block.x > 1024 || block.y > 1024 || block.z > 64)
    refuse("expected a block of 1..1024 by 1..1024 by 1..64");
  unsigned threads = block.x * block.y * block.z;
  if (threads > kernel.mostThreads)
    refuse(std::to_string(threads) + " threads in a block, the kernel allows " + std::to_string(kernel.mostThreads));
  if (threads % emulate::WARP != 0)
    refuse(std::to_string(threads) + " threads in a block, the project's kernels want a multiple of 32");
  if (uint64_t(grid.x) * grid.y * grid.z > 1u << 24) refuse("more blocks than can be emulated");
  if (sharedBytes > function.mostDynamicBytes)
    refuse(std::to_string(sharedBytes) + " bytes of dynamic shared memory, cuFuncSetAttribute granted " +
           std::to_string(function.mostDynamicBytes));
}

KernelLaunch::KernelLaunch(std::shared_ptr<const Function> function_, const LaunchShape& shape_, void* const* values)
    : function(std::move(function_)), shape(shape_) {
  const Kernel& kernel = function->kernel;
  requireArguments(kernel, values);
  arguments.resize((kernel.bytes + STRUCT_ALIGNMENT - 1) / STRUCT_ALIGNMENT);
  for (size_t i = 0; i < kernel.parameters.size(); i++)
    std::memcpy(arguments[0].bytes + kernel.parameters[i].offset, values[i], kernel.parameters[i].bytes);
}

void KernelLaunch::check(const Heap& heap, const PinnedMemory& pinned, std::vector<Allocation*>& touched) const {
  if (!function->module->loaded) throw DeviceFailure(CUDA_ERROR_LAUNCH_FAILED, "its module was unloaded");
  const auto& parameters = function->kernel.parameters;
  for (size_t i = 0; i < parameters.size(); i++) {
    // Structs may hold pointers anywhere; a word that happens to look like one does no harm.
    for (size_t at = 0; at + sizeof(CUdeviceptr) <= parameters[i].bytes; at += sizeof(CUdeviceptr)) {
      CUdeviceptr word;
      std::memcpy(&word, values() + parameters[i].offset + at, sizeof word);
      if (Allocation* a = heap.find(word, 0)) touched.push_back(a);
      else if (parameters[i].pointer && word != 0 && !pinned.holds(pointer(word), 0))
        throw DeviceFailure(CUDA_ERROR_ILLEGAL_ADDRESS, "argument " + std::to_string(i) + " points to " + hex(word) +
                                                            ": " + heap.describe(word));
    }
  }
}

void KernelLaunch::perform(uint64_t order) const {
  emulate::machine.launches = order;
  const Kernel& kernel = function->kernel;
  dim3 grid(shape.grid.x, shape.grid.y, shape.grid.z), block(shape.block.x, shape.block.y, shape.block.z);
  emulate::run(grid, block, shape.sharedBytes, [this, &kernel] { kernel.invoke(kernel.function, values()); });
}

std::string KernelLaunch::words() const {
  return function->kernel.name + " grid " + driver::words(shape.grid) + ", block " + driver::words(shape.block) +
         ", shared " + std::to_string(shape.sharedBytes) + " bytes";
}

std::shared_ptr<Copy> Copy::toDevice(CUdeviceptr to, const void* from, size_t bytes, HostMemory kind) {
  auto copy = std::make_shared<Copy>();
  copy->deviceTo = to;
  copy->hostFrom = from;
  copy->bytes = bytes;
  copy->kind = kind;
  return copy;
}

std::shared_ptr<Copy> Copy::toHost(void* to, CUdeviceptr from, size_t bytes, HostMemory kind) {
  auto copy = std::make_shared<Copy>();
  copy->hostTo = to;
  copy->deviceFrom = from;
  copy->bytes = bytes;
  copy->kind = kind;
  return copy;
}

std::shared_ptr<Copy> Copy::within(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  auto copy = std::make_shared<Copy>();
  copy->deviceTo = to;
  copy->deviceFrom = from;
  copy->bytes = bytes;
  return copy;
}

void Copy::check(const Heap& heap, const PinnedMemory& pinned, std::vector<Allocation*>& touched) const {
  if (hostFrom == nullptr) requireDevice(heap, deviceFrom, bytes);
  if (hostTo == nullptr) {
    if (Allocation* a = requireDevice(heap, deviceTo, bytes)) touched.push_back(a);
  }
  const void* host = hostFrom != nullptr ? hostFrom : hostTo;
  if (host == nullptr) {
    CUdeviceptr low = deviceTo < deviceFrom ? deviceTo : deviceFrom, high = deviceTo + deviceFrom - low;
    if (bytes > 0 && high - low < bytes) throw DeviceFailure(CUDA_ERROR_INVALID_VALUE, "its ranges overlap");
  } else if (kind == HostMemory::PINNED && bytes > 0 && !pinned.holds(host, bytes)) {
    throw DeviceFailure(CUDA_ERROR_ILLEGAL_ADDRESS, "asynchronous copies use pinned host memory; " +
                                                        std::to_string(bytes) + " bytes at " + hex(host) +
                                                        " are not inside one pinned buffer");
  }
}

void Copy::perform(uint64_t) const {
  void* to = hostTo != nullptr ? hostTo : pointer(deviceTo);
  const void* from = hostFrom != nullptr ? hostFrom : pointer(deviceFrom);
  if (bytes > 0) std::memcpy(to, from, bytes);
}

std::string Copy::words() const {
  std::string to = hostTo != nullptr ? "host " + hex(hostTo) : hex(deviceTo);
  std::string from = hostFrom != nullptr ? "host " + hex(hostFrom) : hex(deviceFrom);
  return "copy of " + std::to_string(bytes) + " bytes from " + from + " to " + to;
}

bool Copy::usesHost(const void* address, size_t size) const {
  auto start = reinterpret_cast<uintptr_t>(address);
  auto mine = reinterpret_cast<uintptr_t>(hostFrom != nullptr ? hostFrom : hostTo);
  return mine != 0 && mine < start + size && start < mine + bytes;
}

void Fill::check(const Heap& heap, const PinnedMemory&, std::vector<Allocation*>& touched) const {
  if (to % elementBytes != 0)
    throw DeviceFailure(CUDA_ERROR_INVALID_VALUE, hex(to) + " is not a multiple of " + std::to_string(elementBytes));
  if (Allocation* a = requireDevice(heap, to, count * elementBytes)) touched.push_back(a);
}

void Fill::perform(uint64_t) const {
  if (elementBytes == 1) {
    std::memset(pointer(to), int(value & 0xff), count);
  } else {
    auto* p = static_cast<uint32_t*>(pointer(to));
    for (size_t i = 0; i < count; i++) p[i] = value;
  }
}

std::string Fill::words() const {
  return "fill of " + std::to_string(count * elementBytes) + " bytes at " + hex(to);
}

}  // namespace driver
