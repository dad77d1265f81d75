// A device's primary context: its memory, its streams, and the choice of what runs next. Guarded by the driver's lock.
#pragma once

#include <list>
#include <memory>
#include <random>
#include <string>

#include "emulate/driver/graph.h"

namespace driver {

struct Context : std::enable_shared_from_this<Context> {
  Context(int ordinal_, size_t memoryBytes, uint64_t seed_)
      : ordinal(ordinal_), seed(seed_), heap(memoryBytes), random(seed_ * 1000 + uint64_t(ordinal_)) {}

  const int ordinal;
  const uint64_t seed;
  Heap heap;
  CUresult failure = CUDA_SUCCESS;  // once set, every call is answered with it
  bool destroyed = false;
  std::shared_ptr<const Operation> lastKernel;

  std::shared_ptr<Mark> newMark() { return std::make_shared<Mark>(weak_from_this()); }
  Stream& newStream();
  // The stream of synchronous copies, which has no order with the others.
  Stream& copyStream();

  bool idle() const;
  // The stream whose oldest item runs next: one of those that wait for nothing, by the seed. Null if there is none.
  std::shared_ptr<Stream> choose();
  // Somebody begins to wait: any stream may be the first.
  void chooseAfresh() { favourite.reset(); }
  // Another context that a stream here waits for, or null.
  std::shared_ptr<Context> awaited() const;
  uint64_t draw() { return random(); }

  // The context is lost: says why, drops all queued work and lets nobody wait for it.
  void fail(CUresult code, const std::string& text);
  // Throws Refusal once the context is lost.
  void requireHealthy() const;
  // Fails the context if a guard was written.
  void checkGuards();

  std::list<std::shared_ptr<Stream>> streams;

 private:
  std::mt19937_64 random;
  std::shared_ptr<Stream> copies, favourite;
};

}  // namespace driver
