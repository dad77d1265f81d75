#include "emulate/driver/context.h"

#include <algorithm>

namespace driver {

Stream& Context::newStream() {
  streams.push_back(std::make_shared<Stream>(*this));
  return *streams.back();
}

Stream& Context::copyStream() {
  if (copies == nullptr) {
    newStream();
    copies = streams.back();
  }
  return *copies;
}

bool Context::idle() const {
  return std::all_of(streams.begin(), streams.end(), [](auto& stream) { return stream->idle(); });
}

std::shared_ptr<Stream> Context::choose() {
  streams.remove_if([](auto& stream) { return stream->destroyed && stream->idle(); });
  std::vector<std::shared_ptr<Stream>> able;
  bool favouriteAble = false;
  for (auto& stream : streams) {
    auto& queue = stream->queue;
    if (stream->running) continue;
    while (!queue.empty() && queue.front().wait != nullptr && queue.front().wait->done) queue.pop_front();
    if (queue.empty() || queue.front().wait != nullptr) continue;
    favouriteAble = favouriteAble || stream == favourite;
    able.push_back(stream);
  }
  if (able.empty()) return nullptr;
  // Stays with one stream for a while, so that the others fall far behind now and then.
  bool stay = favouriteAble && draw() % 8 != 0;
  if (!stay) favourite = able[draw() % able.size()];
  return favourite;
}

std::shared_ptr<Context> Context::awaited() const {
  for (auto& stream : streams) {
    if (stream->queue.empty() || stream->queue.front().wait == nullptr) continue;
    std::shared_ptr<Context> other = stream->queue.front().wait->context.lock();
    if (other != nullptr && other.get() != this) return other;
  }
  return nullptr;
}

void Context::fail(CUresult code, const std::string& text) {
  if (failure != CUDA_SUCCESS) return;
  failure = code;
  std::string last = lastKernel == nullptr ? "none" : lastKernel->words();
  bool named = text.compare(0, last.size(), last) == 0;
  report("GPU " + std::to_string(ordinal) + ": " + text + (named ? "" : "; last kernel: " + last) + "; seed " +
         std::to_string(seed));
  for (auto& stream : streams) {
    for (Item& item : stream->queue)
      if (item.record != nullptr) item.record->complete();
    stream->queue.clear();
  }
}

void Context::requireHealthy() const {
  if (failure != CUDA_SUCCESS) throw Refusal(failure, "");
}

void Context::checkGuards() {
  if (failure != CUDA_SUCCESS) return;
  try {
    heap.checkGuards();
  } catch (const DeviceFailure& damage) {
    fail(damage.code, damage.what());
  }
}

}  // namespace driver
