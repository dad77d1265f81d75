// The driver as a whole: devices, the live objects of all contexts, the lock that guards everything, and the frame that
// every function of the API runs in.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "emulate/driver/context.h"
#include "emulate/driver/worker.h"

namespace driver {

// Live objects by the handle that the caller got, so that a handle that is no longer one is refused, not followed.
template <typename T>
class Table {
 public:
  template <typename Handle>
  void add(Handle* handle, std::shared_ptr<T> object) {
    *handle = reinterpret_cast<Handle>(object.get());
    objects[object.get()] = std::move(object);
  }
  template <typename Handle>
  std::shared_ptr<T> find(Handle handle) const {
    auto found = objects.find(handle);
    return found == objects.end() ? nullptr : found->second;
  }
  // Of any context; throws Refusal where it is not live.
  template <typename Handle>
  std::shared_ptr<T> get(Handle handle, const char* kind) const {
    std::shared_ptr<T> object = find(handle);
    if (object == nullptr) throw Refusal(CUDA_ERROR_INVALID_HANDLE, hex(handle) + " is not a live " + kind);
    return object;
  }
  // Of this context.
  template <typename Handle>
  std::shared_ptr<T> get(Handle handle, const char* kind, const Context& context) const {
    std::shared_ptr<T> object = get(handle, kind);
    if (&object->context != &context)
      throw Refusal(CUDA_ERROR_INVALID_HANDLE, std::string("the ") + kind + " belongs to another context");
    return object;
  }
  template <typename Handle>
  void remove(Handle handle) { objects.erase(handle); }
  void removeAllOf(const Context& context) {
    for (auto it = objects.begin(); it != objects.end();)
      it = &it->second->context == &context ? objects.erase(it) : std::next(it);
  }
  template <typename Each>
  void each(Each body) const {
    for (auto& entry : objects) body(*entry.second);
  }

 private:
  std::unordered_map<const void*, std::shared_ptr<T>> objects;
};

struct Device {
  int ordinal;
  std::shared_ptr<Context> primary;  // while retained
  unsigned retained = 0;
};

// A graph that was captured and not instantiated yet.
struct HeldGraph {
  HeldGraph(Context& context_, Graph graph_) : context(context_), graph(std::move(graph_)) {}
  Context& context;
  Graph graph;
};

// From SPARROW_EMULATED_GPUS, _MEMORY_MIB and _SEED; sparrowEmulatedSet changes what later contexts get.
struct Settings {
  long long gpus = 2, memoryMib = 4096, seed = 1;
  Settings();
};

struct Driver {
  std::mutex mutex;
  bool initialised = false;
  Settings settings;
  std::vector<Device> devices;
  PinnedMemory pinned;
  Worker worker{pinned};

  Table<Module> modules;
  Table<Function> functions;
  Table<Stream> streams;
  Table<Event> events;
  Table<HeldGraph> graphs;
  Table<GraphExec> executables;
  std::vector<std::shared_ptr<Capture>> captures;  // that have not ended

  Device& device(CUdevice ordinal);
  void destroyPrimary(Worker::Lock& lock, Device& device);
  // The stream of this context; throws Refusal for the default streams, which are not emulated.
  std::shared_ptr<Stream> stream(CUstream handle, const Context& context) const;
  // Work that has not run and satisfies the predicate, in words; empty where there is none.
  template <typename Predicate>
  std::string queued(Predicate predicate) const;
  // Throws Refusal, and spoils the capture, where this thread may not do what it asks for because one is going on.
  void forbidDuringCapture();
  void spoil(Stream& stream);
  // Waits for what the streams of the context hold now.
  void synchronize(Worker::Lock& lock, const std::shared_ptr<Context>& context);
  void waitFor(Worker::Lock& lock, const std::shared_ptr<Context>& context, const std::shared_ptr<Mark>& mark);
};

// Never destroyed, because the device thread goes on until the process ends.
Driver& driver();

// The contexts that are current on this thread, innermost last.
std::vector<std::shared_ptr<Context>>& contextsOfThisThread();

// The current context; throws Refusal where there is none or it is destroyed or lost.
std::shared_ptr<Context> current();

template <typename T>
T& result(T* pointer) {
  if (pointer == nullptr) throw Refusal(CUDA_ERROR_INVALID_VALUE, "nowhere to put the result");
  return *pointer;
}

// Runs the body of a function of the API, body(driver, lock), under the lock; what it throws becomes the answer.
template <typename Body>
CUresult call(const char* name, Body body) {
  Driver& d = driver();
  auto refused = [&](CUresult code, const std::string& text) {
    if (!text.empty()) report(std::string(name) + ": " + text);
    return code;
  };
  if (d.worker.isThisThread()) return refused(CUDA_ERROR_NOT_PERMITTED, "called by a function that a stream runs");
  Worker::Lock lock(d.mutex);
  if (!d.initialised) return refused(CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called");
  try {
    body(d, lock);
    return CUDA_SUCCESS;
  } catch (const Refusal& refusal) {
    return refused(refusal.code, refusal.what());
  }
}

template <typename Predicate>
std::string Driver::queued(Predicate predicate) const {
  for (const Device& device : devices) {
    if (device.primary == nullptr) continue;
    for (auto& stream : device.primary->streams)
      for (const Item& item : stream->queue)
        if (item.operation != nullptr && predicate(*item.operation)) return item.operation->words();
  }
  return "";
}

}  // namespace driver
