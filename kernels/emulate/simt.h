// Runs SIMT kernels on the host, so that their code is exercised where there is no GPU.
//
// Blocks run one after another; the threads of a block are fibers (ucontext) of one host thread, switched only
// at barriers and warp collectives. Consequences for a kernel that is to run here:
//   - the block size is a multiple of 32;
//   - a block never waits for another block;
//   - volatile spinning on shared memory does not work, barriers do.
// The order in which threads and blocks run changes from launch to launch (forward, backward, shuffled), so that
// a missing barrier or a dependence on the order shows up as a difference. Shared memory starts as NaN.
//
// A wrong use throws emulate::Error out of the launch, with the state of the threads: threads of a block at
// different barriers, a thread that ends while others wait, a lane missing from a warp collective, dynamic shared
// memory written past its end.
//
// Memory is that of the host: one host thread, so atomics are plain operations and fences nothing.
#pragma once

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// ---- Vector types ----

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct uint3 { unsigned x, y, z; };
#define SPARROW_VECTOR_TYPES(name, element)                                                       \
  struct alignas(2 * sizeof(element)) name##2 { element x, y; };                                  \
  struct alignas(16) name##4 { element x, y, z, w; };                                             \
  inline name##2 make_##name##2(element x, element y) { return {x, y}; }                          \
  inline name##4 make_##name##4(element x, element y, element z, element w) { return {x, y, z, w}; }
SPARROW_VECTOR_TYPES(int, int)
SPARROW_VECTOR_TYPES(uint, unsigned)
SPARROW_VECTOR_TYPES(float, float)
#undef SPARROW_VECTOR_TYPES
struct alignas(16) longlong2 { long long x, y; };
inline longlong2 make_longlong2(long long x, long long y) { return {x, y}; }

namespace emulate {

struct Error : std::runtime_error { using std::runtime_error::runtime_error; };

constexpr int WARP = 32;
constexpr unsigned MOST_THREADS = 1024;  // of a block
constexpr size_t STACK_BYTES = 256 * 1024;  // at least
constexpr size_t SHARED_LIMIT_BYTES = 232448;  // what a block of sm_90 may have
constexpr size_t GUARD_BYTES = 256;
constexpr unsigned char GUARD = 0xA5;

// A copy that cp.async has started: it is performed at the wait, so that a missing wait shows.
struct PendingCopy { void* to; const void* from; unsigned bytes; };

// Sums of a warpgroup's products in flight: where they go to, and the number of the newest group that adds to them.
struct PendingSums { float* to; std::vector<float> values; uint64_t group; };

// A product in flight: its group's number, and what is to be done at its end.
struct PendingProduct { uint64_t group; std::function<void()> finish; };

// What is known of 16 bytes of dynamic shared memory: who has copied there last and the number of the fence that shows it to the
// asynchronous proxy (0: none), and the products in flight that read them.
struct SharedChunk { unsigned writer, fence, readers; };

// Resolves a warp collective once every lane of the mask has arrived: records[lane] is what that lane passed.
using Resolve = void (*)(void* const* records, unsigned mask);

struct Thread {
  uint3 index{};
  unsigned linear = 0;
  const char* file = "";
  int line = 0;
  int predicate = 0;  // of __syncthreads_or and its like
  std::vector<std::vector<PendingCopy>> copyGroups;
  std::vector<PendingCopy> openCopies;
  std::vector<PendingSums> sums;
  std::vector<PendingProduct> products;
  uint64_t productGroups = 0;  // committed
  unsigned proxyFences = 0;
  bool sumsFenced = false;
  bool started = false;
  ucontext_t context{};
  jmp_buf resume;
  void* stack = nullptr;
};

enum State : unsigned char { READY, AT_BARRIER, IN_COLLECTIVE, DONE };

// What a thread waits for in a collective.
struct Collecting { Resolve resolve; void* record; const char* name; unsigned mask; };

// What the scheduler and the collectives ask of every thread lies together, apart from the threads: caches are small.
struct Machine {
  std::vector<std::unique_ptr<Thread>> threads;
  unsigned count = 0;  // threads of the running block
  State states[MOST_THREADS];
  Collecting collecting[MOST_THREADS];
  unsigned collectors[MOST_THREADS / WARP];  // threads of each warp that wait in a collective
  const unsigned* takingTurns = nullptr;  // threads that follow each other without the scheduler
  unsigned turns = 0, turn = 0;
  dim3 grid, block;
  uint3 blockIndex{};
  std::vector<unsigned char> dynamicShared;
  unsigned char* dynamicSharedStart = nullptr;
  size_t dynamicSharedBytes = 0;
  std::vector<SharedChunk> sharedChunks;
  std::function<void()> body;
  jmp_buf scheduler;
  std::string failure;
  uint64_t launches = 0;
};

inline Machine machine;
inline Thread* self = nullptr;

void fiberMain();

// Stacks end at different offsets from a page, or the tops of all would share the same few lines of the caches.
inline size_t stackBytes(unsigned linear) { return STACK_BYTES + linear % 64 * 1088; }

// Goes on with a thread, from wherever this is called.
[[noreturn]] inline void enter(Thread& thread) {
  self = &thread;
  if (thread.started) _longjmp(thread.resume, 1);
  thread.started = true;
  getcontext(&thread.context);
  thread.context.uc_stack.ss_sp = thread.stack;
  thread.context.uc_stack.ss_size = stackBytes(thread.linear);
  thread.context.uc_link = nullptr;
  makecontext(&thread.context, fiberMain, 0);
  setcontext(&thread.context);
  std::abort();
}

// Lets the next of the threads whose turn it is go on, or the scheduler after the last; returns when this one's turn comes.
__attribute__((noinline)) inline void suspend() {
  if (_setjmp(self->resume) != 0) return;
  while (machine.failure.empty() && ++machine.turn < machine.turns)
    if (machine.states[machine.takingTurns[machine.turn]] == READY) enter(*machine.threads[machine.takingTurns[machine.turn]]);
  _longjmp(machine.scheduler, 1);
}

// Reports a wrong use from inside a thread; does not return.
[[noreturn]] __attribute__((noinline)) inline void fail(const std::string& message) {
  if (self == nullptr) throw Error(message);
  char where[160];
  std::snprintf(where, sizeof where, "block (%u,%u,%u) thread %u: ", machine.blockIndex.x, machine.blockIndex.y,
                machine.blockIndex.z, self->linear);
  machine.failure = where + message;
  for (;;) suspend();
}

inline void fiberMain() {
  for (;;) {  // once a block
    machine.body();
    if (!self->sums.empty()) fail("ends while products are in flight");
    machine.states[self->linear] = DONE;
    suspend();
  }
}

// ---- Barriers and collectives ----

__attribute__((noinline)) inline void barrier(const char* file, int line, int predicate = 0) {
  machine.states[self->linear] = AT_BARRIER;
  self->file = file;
  self->line = line;
  self->predicate = predicate;
  suspend();
}

// The number of threads whose predicate at the last barrier was not 0.
inline int barrierCount(const char* file, int line, int predicate) {
  barrier(file, line, predicate != 0);
  int total = 0;
  for (unsigned i = 0; i < machine.count; i++) total += machine.threads[i]->predicate;
  barrier(file, line, predicate != 0);  // nobody goes on before all have counted
  return total;
}

inline unsigned lanesOf(unsigned mask) { return mask == ~0u ? WARP : unsigned(__builtin_popcount(mask)); }

// Runs the collective if every lane of its mask has come to it.
__attribute__((noinline)) inline bool resolveCollective(unsigned first, const Collecting& mine) {
  void* records[WARP] = {};
  for (unsigned lane = 0; lane < WARP; lane++) {
    if (!(mine.mask >> lane & 1)) continue;
    if (first + lane >= machine.count) fail(std::string(mine.name) + ": the mask names a lane that the block lacks");
    const Collecting& other = machine.collecting[first + lane];
    if (machine.states[first + lane] != IN_COLLECTIVE || other.resolve != mine.resolve || other.mask != mine.mask)
      return false;
    records[lane] = other.record;
  }
  mine.resolve(records, mine.mask);
  machine.collectors[first / WARP] -= lanesOf(mine.mask);
  for (unsigned lane = 0; lane < WARP; lane++)
    if (mine.mask >> lane & 1) machine.states[first + lane] = READY;
  return true;
}

// Waits until every lane of the mask calls the same collective with the same mask; the last runs resolve.
__attribute__((noinline)) inline void collective(const char* name, unsigned mask, Resolve resolve, void* record) {
  unsigned linear = self->linear, lane = linear % WARP, first = linear - lane;
  if (!(mask >> lane & 1)) fail(std::string(name) + ": the calling lane is not in its own mask");
  machine.collecting[linear] = {resolve, record, name, mask};
  machine.states[linear] = IN_COLLECTIVE;
  bool all = ++machine.collectors[first / WARP] >= lanesOf(mask);
  if (!all || !resolveCollective(first, machine.collecting[linear])) suspend();
}

// ---- Scheduling ----

inline std::string describe(const Thread& thread) {
  char text[400];
  const Collecting& collecting = machine.collecting[thread.linear];
  switch (machine.states[thread.linear]) {
    case AT_BARRIER:
      std::snprintf(text, sizeof text, "waits at the barrier %s:%d", thread.file, thread.line);
      break;
    case IN_COLLECTIVE:
      std::snprintf(text, sizeof text, "waits in %s, mask %08x", collecting.name, collecting.mask);
      break;
    case DONE: return "has ended";
    default: return "can run";
  }
  return text;
}

inline std::string describeBlock() {
  std::string text = "block (" + std::to_string(machine.blockIndex.x) + "," + std::to_string(machine.blockIndex.y) +
                     "," + std::to_string(machine.blockIndex.z) + "): its threads cannot go on together:";
  for (unsigned i = 0; i < machine.count;) {
    std::string state = describe(*machine.threads[i]);
    unsigned end = i + 1;
    while (end < machine.count && describe(*machine.threads[end]) == state) end++;
    text += "\n  threads " + std::to_string(i) + ".." + std::to_string(end - 1) + " " + state;
    i = end;
    if (text.size() > 2000) return text + "\n  ...";
  }
  return text;
}

// True when all threads of the block stand at one and the same barrier.
inline bool atOneBarrier() {
  const Thread& first = *machine.threads[0];
  for (unsigned i = 0; i < machine.count; i++) {
    const Thread& thread = *machine.threads[i];
    if (machine.states[i] != AT_BARRIER || thread.line != first.line || std::strcmp(thread.file, first.file) != 0)
      return false;
  }
  return true;
}

inline bool isShuffled() { return machine.launches % 3 == 2; }

// The order of n things in this launch: forward, backward or shuffled in turn.
inline std::vector<unsigned> order(unsigned n) {
  std::vector<unsigned> result(n);
  for (unsigned i = 0; i < n; i++) result[i] = machine.launches % 3 == 1 ? n - 1 - i : i;
  if (isShuffled()) {
    uint64_t state = machine.launches;
    for (unsigned i = n; i > 1; i--) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      std::swap(result[i - 1], result[(state >> 33) % i]);
    }
  }
  return result;
}

}  // namespace emulate

// Static shared variables lie in one section, so that they can be poisoned before each block.
extern "C" {
extern unsigned char __start_sparrow_shared[] __attribute__((weak));
extern unsigned char __stop_sparrow_shared[] __attribute__((weak));
}

namespace emulate {

inline void poisonShared(size_t dynamicBytes) {
  if (__start_sparrow_shared != nullptr)
    std::memset(__start_sparrow_shared, 0xFF, size_t(__stop_sparrow_shared - __start_sparrow_shared));
  machine.dynamicShared.resize(dynamicBytes + GUARD_BYTES + 1024);
  auto start = reinterpret_cast<uintptr_t>(machine.dynamicShared.data());
  machine.dynamicSharedStart = reinterpret_cast<unsigned char*>((start + 1023) / 1024 * 1024);
  std::memset(machine.dynamicSharedStart, 0xFF, dynamicBytes);
  std::memset(machine.dynamicSharedStart + dynamicBytes, GUARD, GUARD_BYTES);
  machine.dynamicSharedBytes = dynamicBytes;
  machine.sharedChunks.assign(dynamicBytes / 16 + 1, {});
}

inline void checkSharedGuard(size_t dynamicBytes) {
  for (size_t i = 0; i < GUARD_BYTES; i++)
    if (machine.dynamicSharedStart[dynamicBytes + i] != GUARD)
      throw Error("dynamic shared memory written past its end: byte " + std::to_string(dynamicBytes + i) + " of " +
                  std::to_string(dynamicBytes));
}

// The first of the chunks of dynamic shared memory that lie at an address; null where it is none of it.
inline SharedChunk* sharedChunk(const void* p) {
  auto offset = static_cast<const unsigned char*>(p) - machine.dynamicSharedStart;
  return offset >= 0 && size_t(offset) < machine.dynamicSharedBytes ? &machine.sharedChunks[size_t(offset) / 16] : nullptr;
}

inline void performCopies(const std::vector<PendingCopy>& copies) {
  for (const PendingCopy& copy : copies) {
    if (SharedChunk* chunk = sharedChunk(copy.to)) chunk->writer = self->linear, chunk->fence = self->proxyFences + 1;
    if (copy.from == nullptr) std::memset(copy.to, 0, copy.bytes);
    else std::memcpy(copy.to, copy.from, copy.bytes);
  }
}

inline void prepareThread(unsigned i) {
  while (machine.threads.size() <= i) {
    auto thread = std::make_unique<Thread>();
    size_t bytes = stackBytes(unsigned(machine.threads.size()));
    thread->stack = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (thread->stack == MAP_FAILED) throw Error("no memory for the stack of a thread");
    machine.threads.push_back(std::move(thread));
  }
  Thread& thread = *machine.threads[i];
  thread.linear = i;
  thread.index = {i % machine.block.x, i / machine.block.x % machine.block.y, i / (machine.block.x * machine.block.y)};
  machine.states[i] = READY;
  thread.copyGroups.clear();
  thread.openCopies.clear();
  thread.sums.clear();
  thread.products.clear();
  thread.sumsFenced = false;
}

[[noreturn]] inline void abandon(const std::string& message) {
  for (auto& thread : machine.threads) thread->started = false;  // their stacks start afresh in the next launch
  throw Error(message);
}

// Lets these threads take turns until each waits or has ended.
inline void runTogether(const unsigned* threads, unsigned count) {
  machine.takingTurns = threads;
  machine.turns = count;
  for (;;) {
    machine.turn = 0;
    while (machine.turn < count && machine.states[threads[machine.turn]] != READY) machine.turn++;
    if (machine.turn == count) return;
    if (_setjmp(machine.scheduler) == 0) enter(*machine.threads[threads[machine.turn]]);
    self = nullptr;
    if (!machine.failure.empty()) abandon(machine.failure);
  }
}

// Warps go one after the other from barrier to barrier, which is kind to the caches; where the order is shuffled, all threads
// take turns.
inline void runBlock(size_t dynamicBytes, const std::vector<unsigned>& threadOrder) {
  poisonShared(dynamicBytes);
  std::fill(std::begin(machine.collectors), std::end(machine.collectors), 0u);
  for (unsigned i = 0; i < machine.count; i++) prepareThread(i);
  unsigned together = isShuffled() ? machine.count : WARP;
  for (;;) {
    for (unsigned i = 0; i < machine.count; i += together) runTogether(&threadOrder[i], together);
    if (std::all_of(machine.states, machine.states + machine.count, [](State s) { return s == DONE; })) break;
    if (!atOneBarrier()) abandon(describeBlock());
    std::fill_n(machine.states, machine.count, READY);
  }
  checkSharedGuard(dynamicBytes);
}

// Runs body once for each thread of the grid.
inline void run(dim3 grid, dim3 block, size_t dynamicBytes, std::function<void()> body) {
  machine.count = block.x * block.y * block.z;
  if (machine.count == 0 || machine.count > MOST_THREADS || machine.count % WARP != 0)
    throw Error("block of " + std::to_string(machine.count) + " threads: expected a multiple of 32 up to 1024");
  if (dynamicBytes > SHARED_LIMIT_BYTES)
    throw Error("dynamic shared memory of " + std::to_string(dynamicBytes) + " bytes exceeds " +
                std::to_string(SHARED_LIMIT_BYTES));
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) throw Error("empty grid");
  machine.grid = grid;
  machine.block = block;
  machine.body = std::move(body);
  machine.failure.clear();
  std::vector<unsigned> threadOrder = order(machine.count);
  for (unsigned b : order(grid.x * grid.y * grid.z)) {
    machine.blockIndex = {b % grid.x, b / grid.x % grid.y, b / (grid.x * grid.y)};
    runBlock(dynamicBytes, threadOrder);
  }
  machine.launches++;
}

}  // namespace emulate

// ---- The language of kernels ----

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#ifndef __launch_bounds__  // emulate/build.sh wants to know the bounds
#define __launch_bounds__(...)
#endif
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("sparrow_shared")))
#define __grid_constant__

#define threadIdx (::emulate::self->index)
#define blockIdx (::emulate::machine.blockIndex)
#define blockDim (::emulate::machine.block)
#define gridDim (::emulate::machine.grid)
constexpr int warpSize = 32;

#define __syncthreads() ::emulate::barrier(__FILE__, __LINE__)
#define __syncthreads_count(p) ::emulate::barrierCount(__FILE__, __LINE__, (p))
#define __syncthreads_or(p) (::emulate::barrierCount(__FILE__, __LINE__, (p)) > 0)
#define __syncthreads_and(p) (::emulate::barrierCount(__FILE__, __LINE__, (p)) == int(::emulate::machine.count))

inline void __syncwarp(unsigned mask = 0xffffffffu) {
  emulate::collective("__syncwarp", mask, [](void* const*, unsigned) {}, nullptr);
}
inline void __threadfence() {}
inline void __threadfence_block() {}
[[noreturn]] inline void __trap() { emulate::fail("__trap"); }

namespace emulate {

struct Shuffle { unsigned char value[8]; size_t bytes; int source; bool read; };

template <typename T>
T shuffle(const char* name, unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  Shuffle record{{}, sizeof(T), source, false};
  std::memcpy(record.value, &value, sizeof(T));
  Resolve resolve = [](void* const* records, unsigned lanes) {
    unsigned char values[WARP][8];
    for (int i = 0; i < WARP; i++)
      if (lanes >> i & 1) std::memcpy(values[i], static_cast<Shuffle*>(records[i])->value, 8);
    for (int i = 0; i < WARP; i++) {
      if (!(lanes >> i & 1)) continue;
      auto* mine = static_cast<Shuffle*>(records[i]);
      mine->read = lanes >> mine->source & 1;
      if (mine->read) std::memcpy(mine->value, values[mine->source], 8);
    }
  };
  collective(name, mask, resolve, &record);
  if (!record.read) fail(std::string(name) + ": reads a lane that is not in the mask");
  std::memcpy(&value, record.value, sizeof(T));
  return value;
}

struct Vote { uint64_t value; unsigned result; };

inline unsigned vote(const char* name, unsigned mask, uint64_t value, Resolve resolve) {
  Vote record{value, 0};
  collective(name, mask, resolve, &record);
  return record.result;
}

template <typename Each>
void eachLane(void* const* records, unsigned mask, Each each) {
  for (int i = 0; i < WARP; i++)
    if (mask >> i & 1) each(i, *static_cast<Vote*>(records[i]));
}

inline int lane() { return int(self->linear % WARP); }

}  // namespace emulate

template <typename T> T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  int start = emulate::lane() / width * width;
  return emulate::shuffle("__shfl_sync", mask, value, start + (source & (width - 1)));
}
template <typename T> T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  int lane = emulate::lane(), source = lane ^ lanes;
  return emulate::shuffle("__shfl_xor_sync", mask, value, source < (lane / width + 1) * width ? source : lane);
}
template <typename T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  int lane = emulate::lane(), source = lane + int(delta);
  return emulate::shuffle("__shfl_down_sync", mask, value, source < (lane / width + 1) * width ? source : lane);
}
template <typename T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  int lane = emulate::lane(), source = lane - int(delta);
  return emulate::shuffle("__shfl_up_sync", mask, value, source >= lane / width * width ? source : lane);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return emulate::vote("__ballot_sync", mask, predicate != 0, [](void* const* records, unsigned lanes) {
    unsigned ballot = 0;
    emulate::eachLane(records, lanes, [&](int i, emulate::Vote& v) { ballot |= unsigned(v.value) << i; });
    emulate::eachLane(records, lanes, [&](int, emulate::Vote& v) { v.result = ballot; });
  });
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }
template <typename T> unsigned __match_any_sync(unsigned mask, T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return emulate::vote("__match_any_sync", mask, bits, [](void* const* records, unsigned lanes) {
    emulate::eachLane(records, lanes, [&](int, emulate::Vote& mine) {
      mine.result = 0;
      emulate::eachLane(records, lanes, [&](int j, emulate::Vote& other) {
        mine.result |= unsigned(other.value == mine.value) << j;
      });
    });
  });
}

// ---- Atomics: return the old value ----

#define SPARROW_ATOMIC(name, expression)                              \
  template <typename T, typename V> T name(T* address, V operand) {   \
    T old = *address, value = T(operand);                             \
    (void)value;                                                      \
    *address = (expression);                                          \
    return old;                                                       \
  }
SPARROW_ATOMIC(atomicAdd, old + value)
SPARROW_ATOMIC(atomicSub, old - value)
SPARROW_ATOMIC(atomicMax, old < value ? value : old)
SPARROW_ATOMIC(atomicMin, value < old ? value : old)
SPARROW_ATOMIC(atomicAnd, old & value)
SPARROW_ATOMIC(atomicOr, old | value)
SPARROW_ATOMIC(atomicXor, old ^ value)
SPARROW_ATOMIC(atomicExch, value)
#undef SPARROW_ATOMIC
template <typename T, typename U, typename V> T atomicCAS(T* address, U expected, V value) {
  T old = *address;
  if (old == T(expected)) *address = T(value);
  return old;
}

// ---- Loads, bits, arithmetic ----

template <typename T> T __ldg(const T* p) { return *p; }
template <typename T> T __ldcs(const T* p) { return *p; }
template <typename T> T __ldcg(const T* p) { return *p; }
template <typename T> void __stcs(T* p, T value) { *p = value; }

template <typename To, typename From> To emulateBits(From from) {
  static_assert(sizeof(To) == sizeof(From), "");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
inline int __float_as_int(float v) { return emulateBits<int>(v); }
inline unsigned __float_as_uint(float v) { return emulateBits<unsigned>(v); }
inline float __int_as_float(int v) { return emulateBits<float>(v); }
inline float __uint_as_float(unsigned v) { return emulateBits<float>(v); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
inline int __clz(int v) { return v == 0 ? 32 : __builtin_clz(unsigned(v)); }
inline int __clzll(long long v) { return v == 0 ? 64 : __builtin_clzll((unsigned long long)v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }

inline float rsqrtf(float v) { return 1.0f / sqrtf(v); }
inline float __expf(float v) { return expf(v); }
inline float __logf(float v) { return logf(v); }
inline float __log2f(float v) { return log2f(v); }
inline float __sinf(float v) { return sinf(v); }
inline float __cosf(float v) { return cosf(v); }
inline float __tanhf(float v) { return tanhf(v); }
inline float __powf(float a, float b) { return powf(a, b); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float v) { return 1.0f / v; }
inline float __frsqrt_rn(float v) { return 1.0f / sqrtf(v); }
inline float __fsqrt_rn(float v) { return sqrtf(v); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __saturatef(float v) { return fminf(fmaxf(v, 0.0f), 1.0f); }

#define SPARROW_MIN_MAX(T)                                  \
  inline T min(T a, T b) { return b < a ? b : a; }          \
  inline T max(T a, T b) { return a < b ? b : a; }
SPARROW_MIN_MAX(int)
SPARROW_MIN_MAX(unsigned)
SPARROW_MIN_MAX(long)
SPARROW_MIN_MAX(unsigned long)
SPARROW_MIN_MAX(long long)
SPARROW_MIN_MAX(unsigned long long)
#undef SPARROW_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }

// ---- bfloat16: round to nearest even, NaN stays NaN ----

struct __nv_bfloat16 { unsigned short __x; };
struct alignas(4) __nv_bfloat162 { __nv_bfloat16 x, y; };

inline float __bfloat162float(__nv_bfloat16 v) { return __uint_as_float(unsigned(v.__x) << 16); }
inline __nv_bfloat16 __float2bfloat16_rn(float v) {
  unsigned bits = __float_as_uint(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  return {(unsigned short)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}
inline __nv_bfloat16 __float2bfloat16(float v) { return __float2bfloat16_rn(v); }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short v) { return {v}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 v) { return v.__x; }
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {__float2bfloat16_rn(a), __float2bfloat16_rn(b)}; }
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
inline float2 __bfloat1622float2(__nv_bfloat162 v) { return {__bfloat162float(v.x), __bfloat162float(v.y)}; }
inline float __low2float(__nv_bfloat162 v) { return __bfloat162float(v.x); }
inline float __high2float(__nv_bfloat162 v) { return __bfloat162float(v.y); }
