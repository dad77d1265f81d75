// Work that a stream or a graph holds: kernels, copies, fills, functions of the host. Immutable once made, so that a graph
// can run it again; everything it needs is copied into it when it is made, but for the memory that it works on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "emulate/driver/memory.h"
#include "emulate/driver/registry.h"

namespace driver {

struct Context;

struct Module {
  explicit Module(Context& context_) : context(context_) {}
  Context& context;
  bool loaded = true;
};

struct Function {
  Function(Context& context_, std::shared_ptr<Module> module_, const Kernel& kernel_)
      : context(context_), module(std::move(module_)), kernel(kernel_) {}
  Context& context;
  std::shared_ptr<Module> module;
  const Kernel& kernel;
  size_t mostDynamicBytes = 48 << 10;  // until cuFuncSetAttribute asks for more
};

class Operation {
 public:
  virtual ~Operation() = default;
  // Under the driver's lock, just before perform. Throws DeviceFailure if the memory it works on is not there (any more),
  // and appends the device allocations that it may write.
  virtual void check(const Heap& heap, const PinnedMemory& pinned, std::vector<Allocation*>& touched) const = 0;
  // On the device thread, without the lock. order varies what the device leaves open.
  virtual void perform(uint64_t order) const = 0;
  virtual std::string words() const = 0;
  virtual bool usesHost(const void*, size_t) const { return false; }
  virtual bool uses(const Module&) const { return false; }
  virtual bool isKernel() const { return false; }
};

struct Dimensions { unsigned x, y, z; };

struct LaunchShape {
  Dimensions grid, block;
  unsigned sharedBytes;
  // Throws Refusal where the device cannot run it.
  void require(const Function& function) const;
};

class KernelLaunch : public Operation {
 public:
  // Copies the arguments that the kernel's parameters name; throws Refusal where they do not match them.
  KernelLaunch(std::shared_ptr<const Function> function, const LaunchShape& shape, void* const* arguments);

  void check(const Heap& heap, const PinnedMemory& pinned, std::vector<Allocation*>& touched) const override;
  void perform(uint64_t order) const override;
  std::string words() const override;
  bool uses(const Module& module) const override { return function->module.get() == &module; }
  bool isKernel() const override { return true; }

 private:
  struct alignas(STRUCT_ALIGNMENT) Line { unsigned char bytes[STRUCT_ALIGNMENT]; };

  const unsigned char* values() const { return arguments[0].bytes; }

  std::shared_ptr<const Function> function;
  LaunchShape shape;
  std::vector<Line> arguments;
};

enum class HostMemory { PINNED, PAGEABLE };

class Copy : public Operation {
 public:
  static std::shared_ptr<Copy> toDevice(CUdeviceptr to, const void* from, size_t bytes, HostMemory kind);
  static std::shared_ptr<Copy> toHost(void* to, CUdeviceptr from, size_t bytes, HostMemory kind);
  static std::shared_ptr<Copy> within(CUdeviceptr to, CUdeviceptr from, size_t bytes);

  void check(const Heap& heap, const PinnedMemory& pinned, std::vector<Allocation*>& touched) const override;
  void perform(uint64_t order) const override;
  std::string words() const override;
  bool usesHost(const void* address, size_t bytes) const override;

 private:
  CUdeviceptr deviceTo = 0, deviceFrom = 0;  // 0: the host's side
  void* hostTo = nullptr;
  const void* hostFrom = nullptr;
  size_t bytes = 0;
  HostMemory kind = HostMemory::PINNED;
};

class Fill : public Operation {
 public:
  Fill(CUdeviceptr to_, uint32_t value_, unsigned elementBytes_, size_t count_)
      : to(to_), value(value_), elementBytes(elementBytes_), count(count_) {}

  void check(const Heap& heap, const PinnedMemory& pinned, std::vector<Allocation*>& touched) const override;
  void perform(uint64_t order) const override;
  std::string words() const override;

 private:
  CUdeviceptr to;
  uint32_t value;
  unsigned elementBytes;  // 1 or 4
  size_t count;
};

class HostFunction : public Operation {
 public:
  HostFunction(CUhostFn function_, void* data_) : function(function_), data(data_) {}
  void check(const Heap&, const PinnedMemory&, std::vector<Allocation*>&) const override {}
  void perform(uint64_t) const override { function(data); }
  std::string words() const override { return "a function of the host"; }

 private:
  CUhostFn function;
  void* data;
};

}  // namespace driver
