#include "emulate/driver/worker.h"

#include <pthread.h>
#include <signal.h>

#include "emulate/driver/fault.h"
#include "emulate/simt.h"

namespace driver {

namespace {
constexpr size_t STACK_BYTES = 16 << 20;
}

void Worker::runUntil(Lock& lock, const std::shared_ptr<Context>& context, const std::function<bool()>& reached) {
  if (!reached()) await(lock, {context, reached, false, false});
}

void Worker::runOne(Lock& lock, const std::shared_ptr<Context>& context) {
  await(lock, {context, [] { return false; }, true, false});
}

void Worker::await(Lock& lock, Wish wish) {
  if (!started) start(*lock.mutex());
  wish.context->chooseAfresh();
  wishes.push_back(&wish);
  wished.notify_one();
  granted.wait(lock, [&] { return wish.done; });
}

void Worker::start(std::mutex& driverMutex) {
  mutex = &driverMutex;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Signals that are meant for the process go to threads of the JVM; this one takes its own faults only.
  sigset_t all, before;
  sigfillset(&all);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&thread, &attributes, main, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (failed) throw Refusal(CUDA_ERROR_OUT_OF_MEMORY, "no thread for the device");
  started = true;
}

void* Worker::main(void* self) {
  pthread_setname_np(pthread_self(), "emulated-gpu");
  catchFaults();
  static_cast<Worker*>(self)->loop();
  return nullptr;
}

void Worker::loop() {
  Lock lock(*mutex);
  for (;;) {
    wished.wait(lock, [this] { return !wishes.empty(); });
    Wish* wish = wishes.front();  // in turn
    wishes.pop_front();
    Context& context = *wish->context;
    bool over = context.failure != CUDA_SUCCESS || wish->reached();
    if (!over) {
      bool ran = step(lock, wish->context);
      if (!ran && !wish->one) context.fail(CUDA_ERROR_LAUNCH_FAILED, "somebody waits for what was never queued");
      over = wish->one || context.failure != CUDA_SUCCESS || wish->reached();
    }
    if (over) {
      wish->done = true;
      granted.notify_all();
    } else {
      wishes.push_back(wish);
    }
  }
}

// Does the next piece of the context's work, or of one that it waits for; false if there is none.
bool Worker::step(Lock& lock, const std::shared_ptr<Context>& context) {
  std::shared_ptr<Stream> stream = context->choose();
  if (stream == nullptr) {
    std::shared_ptr<Context> other = context->awaited();
    return other != nullptr && step(lock, other);
  }
  Item item = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (item.record != nullptr) item.record->complete();
  else run(lock, *context, *stream, item.operation);
  return true;
}

void Worker::run(Lock& lock, Context& context, Stream& stream, const std::shared_ptr<const Operation>& operation) {
  if (operation->isKernel()) context.lastKernel = operation;
  uint64_t order = context.draw() >> 8;
  std::vector<Allocation*> touched;
  stream.running = true;
  try {
    operation->check(context.heap, pinned, touched);
    lock.unlock();
    Fault fault;
    std::string misuse;
    try {
      operation->perform(order);
    } catch (const emulate::Error& error) {
      fault = takeFault();
      misuse = error.what();
    }
    lock.lock();
    if (fault.happened)
      throw DeviceFailure(fault.code,
                          fault.words + (fault.hasAddress ? ": " + context.heap.describe(fault.address) : ""));
    if (!misuse.empty()) throw DeviceFailure(CUDA_ERROR_LAUNCH_FAILED, misuse);
    for (Allocation* a : touched) Heap::checkGuards(*a);
  } catch (const DeviceFailure& failure) {
    context.fail(failure.code, operation->words() + ": " + failure.what());
  }
  stream.running = false;
}

}  // namespace driver
