// The thread that stands for all devices. It runs queued work only while somebody waits for some of it, one operation at a
// time, and knows no more than what is queued then; so whoever forgets to wait finds that nothing has happened.
//
// Kernels run here alone: their threads are fibers, which no thread of a JVM may become.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "emulate/driver/context.h"

namespace driver {

class Worker {
 public:
  explicit Worker(const PinnedMemory& pinned_) : pinned(pinned_) {}

  using Lock = std::unique_lock<std::mutex>;

  // Lets the context's work go on until reached, which is asked under the lock, or the context is lost.
  void runUntil(Lock& lock, const std::shared_ptr<Context>& context, const std::function<bool()>& reached);
  // Lets one piece of the context's work be done, if one can be.
  void runOne(Lock& lock, const std::shared_ptr<Context>& context);
  // Called by a function of the host, say.
  bool isThisThread() const { return started && pthread_equal(thread, pthread_self()); }

 private:
  struct Wish {
    std::shared_ptr<Context> context;
    std::function<bool()> reached;
    bool one, done;
  };

  void await(Lock& lock, Wish wish);
  void start(std::mutex& mutex);
  static void* main(void* self);
  void loop();
  bool step(Lock& lock, const std::shared_ptr<Context>& context);
  void run(Lock& lock, Context& context, Stream& stream, const std::shared_ptr<const Operation>& operation);

  const PinnedMemory& pinned;
  std::list<Wish*> wishes;
  std::condition_variable wished, granted;
  std::mutex* mutex = nullptr;
  pthread_t thread{};
  std::atomic<bool> started{false};
};

}  // namespace driver
