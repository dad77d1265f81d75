// Queues of work, and the points in them that others wait for. All guarded by the driver's lock.
#pragma once

#include <chrono>
#include <deque>
#include <memory>

#include "emulate/driver/operation.h"

namespace driver {

struct Capture;

// A point in a stream's order; done once the device has come past it, or its context is lost.
struct Mark {
  explicit Mark(std::weak_ptr<Context> context_) : context(std::move(context_)) {}
  std::weak_ptr<Context> context;
  bool done = false;
  std::chrono::steady_clock::time_point time{};

  void complete() {
    done = true;
    time = std::chrono::steady_clock::now();
  }
};

// One of the three is set.
struct Item {
  std::shared_ptr<const Operation> operation;
  std::shared_ptr<Mark> record, wait;
};

struct Stream {
  explicit Stream(Context& context_) : context(context_) {}
  Context& context;
  std::deque<Item> queue;
  bool running = false;    // its oldest operation has been taken off and is not finished
  bool destroyed = false;  // goes when idle
  std::shared_ptr<Capture> capture;
  size_t lane = 0;  // of the capture

  bool idle() const { return queue.empty() && !running; }
};

struct Event {
  Event(Context& context_, unsigned flags_) : context(context_), flags(flags_) {}
  Context& context;
  unsigned flags;
  std::shared_ptr<Mark> mark;        // of its last record; null before the first
  std::shared_ptr<Capture> capture;  // where that record was captured
  int captureMark = 0;
};

}  // namespace driver
