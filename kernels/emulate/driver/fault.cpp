#include "emulate/driver/fault.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "emulate/driver/report.h"
#include "emulate/simt.h"

namespace driver {

namespace {

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE};
constexpr size_t STACK_BYTES = 64 << 10;

struct Caught {
  int signal = 0, code = 0;
  uintptr_t address = 0;
  unsigned thread = 0;
  uint3 block{};
};

Caught caught;
pthread_t kernels;
sigset_t usualMask;
struct sigaction before[NSIG];

void passOn(int signal, siginfo_t* info, void* context) {
  struct sigaction& old = before[signal];
  if (old.sa_flags & SA_SIGINFO) old.sa_sigaction(signal, info, context);
  else if (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN) sigaction(signal, &old, nullptr);
  else old.sa_handler(signal);
}

void handle(int signal, siginfo_t* info, void* context) {
  if (!pthread_equal(pthread_self(), kernels) || emulate::self == nullptr) return passOn(signal, info, context);
  caught = {signal, info->si_code, reinterpret_cast<uintptr_t>(info->si_addr), emulate::self->linear, emulate::machine.blockIndex};
  emulate::machine.failure = "fault";  // short enough to need no memory
  pthread_sigmask(SIG_SETMASK, &usualMask, nullptr);
  _longjmp(emulate::machine.scheduler, 1);
}

}  // namespace

void catchFaults() {
  kernels = pthread_self();
  pthread_sigmask(SIG_SETMASK, nullptr, &usualMask);
  stack_t stack{};
  stack.ss_size = STACK_BYTES;
  stack.ss_sp = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  sigaltstack(&stack, nullptr);
  for (int signal : SIGNALS) {
    sigaction(signal, nullptr, &before[signal]);
    struct sigaction action = before[signal];
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | (before[signal].sa_flags & SA_NODEFER);
    action.sa_sigaction = handle;
    sigaction(signal, &action, nullptr);
  }
}

Fault takeFault() {
  Fault fault;
  if (caught.signal == 0) return fault;
  fault.happened = true;
  fault.words = "block (" + std::to_string(caught.block.x) + "," + std::to_string(caught.block.y) + "," +
                std::to_string(caught.block.z) + ") thread " + std::to_string(caught.thread) + ": ";
  if (caught.signal == SIGFPE) {
    fault.code = CUDA_ERROR_LAUNCH_FAILED;
    fault.words += "integer division by zero";
  } else {
    fault.code = CUDA_ERROR_ILLEGAL_ADDRESS;
    fault.hasAddress = caught.code != SI_KERNEL;  // otherwise the processor does not tell it
    fault.address = caught.address;
    fault.words += "touched " + (fault.hasAddress ? hex(fault.address) : "an address that no memory has");
  }
  caught = {};
  return fault;
}

}  // namespace driver
