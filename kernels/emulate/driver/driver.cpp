#include "emulate/driver/driver.h"

#include <cstdlib>
#include <cstring>
#include <utility>

namespace driver {

namespace {

void read(const char* name, long long& value) {
  if (const char* text = std::getenv(name)) value = std::atoll(text);
}

}  // namespace

Settings::Settings() {
  read("SPARROW_EMULATED_GPUS", gpus);
  read("SPARROW_EMULATED_MEMORY_MIB", memoryMib);
  read("SPARROW_EMULATED_SEED", seed);
}

Driver& driver() {
  static Driver& one = *new Driver;
  return one;
}

std::vector<std::shared_ptr<Context>>& contextsOfThisThread() {
  thread_local std::vector<std::shared_ptr<Context>> contexts;
  return contexts;
}

std::shared_ptr<Context> current() {
  auto& contexts = contextsOfThisThread();
  if (contexts.empty()) throw Refusal(CUDA_ERROR_INVALID_CONTEXT, "no context is current on this thread");
  if (contexts.back()->destroyed) throw Refusal(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the current context is destroyed");
  contexts.back()->requireHealthy();
  return contexts.back();
}

Device& Driver::device(CUdevice ordinal) {
  if (ordinal < 0 || size_t(ordinal) >= devices.size())
    throw Refusal(CUDA_ERROR_INVALID_DEVICE, std::to_string(ordinal) + " of " + std::to_string(devices.size()) + " GPUs");
  return devices[size_t(ordinal)];
}

void Driver::destroyPrimary(Worker::Lock& lock, Device& device) {
  std::shared_ptr<Context> context = device.primary;
  worker.runUntil(lock, context, [&] { return context->idle(); });
  context->checkGuards();
  auto live = captures;
  for (auto& capture : live)
    if (&capture->streams.front()->context == context.get()) {
      capture->end();
      captures.erase(std::find(captures.begin(), captures.end(), capture));
    }
  functions.removeAllOf(*context);
  modules.removeAllOf(*context);
  streams.removeAllOf(*context);
  events.removeAllOf(*context);
  graphs.removeAllOf(*context);
  executables.removeAllOf(*context);
  pinned.freeAllOf(context.get());
  context->destroyed = true;
  context->streams.clear();
  device.primary.reset();
}

std::shared_ptr<Stream> Driver::stream(CUstream handle, const Context& context) const {
  if (reinterpret_cast<uintptr_t>(handle) <= 2)
    throw Refusal(CUDA_ERROR_INVALID_HANDLE, "the default streams are not emulated; create a non-blocking one");
  return streams.get(handle, "stream", context);
}

void Driver::forbidDuringCapture() {
  bool forbidden = false;
  for (auto& capture : captures) {
    bool concerns = capture->mode == CAPTURE_GLOBAL ||
                    (capture->mode == CAPTURE_THREAD_LOCAL && capture->thread == std::this_thread::get_id());
    if (!concerns) continue;
    capture->invalidated = true;
    forbidden = true;
  }
  if (forbidden)
    throw Refusal(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "not while a stream is captured; the capture is invalid now");
}

void Driver::spoil(Stream& stream) {
  if (stream.capture == nullptr) return;
  stream.capture->invalidated = true;
  throw Refusal(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the stream is captured; the capture is invalid now");
}

void Driver::synchronize(Worker::Lock& lock, const std::shared_ptr<Context>& context) {
  std::vector<std::shared_ptr<Mark>> ends;
  for (auto& stream : context->streams) {
    if (stream->idle()) continue;
    ends.push_back(context->newMark());
    stream->queue.push_back({nullptr, ends.back(), nullptr});
  }
  worker.runUntil(lock, context, [&] {
    return std::all_of(ends.begin(), ends.end(), [](auto& end) { return end->done; });
  });
  context->checkGuards();
  context->requireHealthy();
}

void Driver::waitFor(Worker::Lock& lock, const std::shared_ptr<Context>& context, const std::shared_ptr<Mark>& mark) {
  worker.runUntil(lock, context, [&] { return mark->done; });
  context->checkGuards();
  context->requireHealthy();
}

}  // namespace driver

// Marks this library as the emulated driver, and changes a setting: "seed" and "memoryMib" of contexts that are retained
// from now on, "quiet" (0 or 1) of what goes to stderr. Answers what it was before, or -1 where there is no such setting.
SPARROW_CUDA_API long long sparrowEmulatedSet(const char* name, long long value) {
  driver::Driver& d = driver::driver();
  std::lock_guard<std::mutex> lock(d.mutex);
  if (std::strcmp(name, "seed") == 0) return std::exchange(d.settings.seed, value);
  if (std::strcmp(name, "memoryMib") == 0) return std::exchange(d.settings.memoryMib, value);
  if (std::strcmp(name, "quiet") == 0) return driver::beQuiet(value != 0);
  return -1;
}
