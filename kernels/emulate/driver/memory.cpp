#include "emulate/driver/memory.h"

#include <sys/mman.h>

#include <cstring>

namespace driver {

namespace {

constexpr size_t PAGE = 4096, GUARD_BYTES = 512;
constexpr unsigned char GUARD = 0xA5, POISON = 0xFF;
constexpr size_t MOST_FREED = 256;  // that are kept untouchable

size_t roundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

unsigned char* reserve(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw Refusal(CUDA_ERROR_OUT_OF_MEMORY, "the host has no address space left");
  return static_cast<unsigned char*>(p);
}

// The first byte of [from, to) that is no guard byte, or to.
const unsigned char* firstDamage(const unsigned char* from, const unsigned char* to) {
  static unsigned char pattern[GUARD_BYTES + PAGE];
  if (pattern[0] != GUARD) std::memset(pattern, GUARD, sizeof pattern);
  if (std::memcmp(from, pattern, size_t(to - from)) == 0) return to;
  while (*from == GUARD) from++;
  return from;
}

const unsigned char* guardEnd(const Allocation& a) { return a.mapping + a.mappingBytes - PAGE; }

}  // namespace

std::string Allocation::damage() const {
  const unsigned char* start = data - GUARD_BYTES;
  const unsigned char* before = firstDamage(start, data);
  if (before != data) return std::to_string(data - before) + " bytes before its start";
  const unsigned char *end = data + bytes, *behind = firstDamage(end, guardEnd(*this));
  return behind == guardEnd(*this) ? "" : std::to_string(behind - end) + " bytes past its end";
}

void Allocation::renewGuards() {
  std::memset(data - GUARD_BYTES, GUARD, GUARD_BYTES);
  std::memset(data + bytes, GUARD, size_t(guardEnd(*this) - data - bytes));
}

std::string Allocation::words() const {
  return "allocation " + std::to_string(number) + ", " + std::to_string(bytes) + " bytes at " + hex(data);
}

CUdeviceptr Heap::allocate(size_t bytes) {
  if (bytes == 0) throw Refusal(CUDA_ERROR_INVALID_VALUE, "asked for 0 bytes");
  size_t charged = roundUp(bytes, 512);
  if (bytes > limitBytes || charged > freeBytes()) throw Refusal(CUDA_ERROR_OUT_OF_MEMORY, "");
  auto a = std::make_unique<Allocation>();
  size_t inner = roundUp(GUARD_BYTES + bytes + GUARD_BYTES, PAGE);
  a->mappingBytes = PAGE + inner + PAGE;
  a->mapping = reserve(a->mappingBytes);
  a->number = ++allocations;
  a->data = a->mapping + PAGE + GUARD_BYTES;
  a->bytes = bytes;
  if (mprotect(a->mapping + PAGE, inner, PROT_READ | PROT_WRITE) != 0) {
    munmap(a->mapping, a->mappingBytes);
    throw Refusal(CUDA_ERROR_OUT_OF_MEMORY, "the host has no memory left");
  }
  std::memset(a->data, POISON, bytes);
  a->renewGuards();
  auto address = CUdeviceptr(reinterpret_cast<uintptr_t>(a->data));
  usedBytes += charged;
  live.emplace(address, std::move(a));
  return address;
}

void Heap::free(CUdeviceptr address) {
  auto found = live.find(address);
  if (found == live.end())
    throw Refusal(CUDA_ERROR_INVALID_VALUE, hex(address) + " is not the start of a live allocation: " + describe(address));
  std::unique_ptr<Allocation> a = std::move(found->second);
  live.erase(found);
  usedBytes -= roundUp(a->bytes, 512);
  std::string damage = a->damage();
  std::string words = a->words();
  mprotect(a->mapping, a->mappingBytes, PROT_NONE);
  madvise(a->mapping, a->mappingBytes, MADV_DONTNEED);
  freed.push_back(std::move(a));
  if (freed.size() > MOST_FREED) {
    munmap(freed.front()->mapping, freed.front()->mappingBytes);
    freed.pop_front();
  }
  if (!damage.empty()) throw DeviceFailure(CUDA_ERROR_LAUNCH_FAILED, words + ": written " + damage);
}

Allocation* Heap::find(CUdeviceptr address, size_t bytes) const {
  auto next = live.upper_bound(address);
  if (next == live.begin()) return nullptr;
  Allocation& a = *std::prev(next)->second;
  size_t offset = address - std::prev(next)->first;
  return offset <= a.bytes && bytes <= a.bytes - offset ? &a : nullptr;
}

void Heap::checkGuards() const {
  for (auto& entry : live) checkGuards(*entry.second);
}

void Heap::checkGuards(Allocation& allocation) {
  std::string damage = allocation.damage();
  if (damage.empty()) return;
  allocation.renewGuards();  // reported once
  throw DeviceFailure(CUDA_ERROR_LAUNCH_FAILED, allocation.words() + ": written " + damage);
}

std::string Heap::describe(CUdeviceptr address) const {
  auto in = [&](const Allocation& a) {
    auto start = CUdeviceptr(reinterpret_cast<uintptr_t>(a.mapping));
    return address >= start && address < start + a.mappingBytes;
  };
  auto relative = [&](const Allocation& a) {
    auto start = CUdeviceptr(reinterpret_cast<uintptr_t>(a.data)), end = start + a.bytes;
    if (address < start) return std::to_string(start - address) + " bytes before the start of " + a.words();
    if (address < end) return std::to_string(address - start) + " bytes into " + a.words();
    return std::to_string(address - end) + " bytes past the end of " + a.words();
  };
  for (auto& entry : live)
    if (in(*entry.second)) return relative(*entry.second);
  for (auto a = freed.rbegin(); a != freed.rend(); ++a)
    if (in(**a)) return relative(**a) + ", which was freed";
  if (address < PAGE) return "a null pointer";
  auto next = live.upper_bound(address);
  return "no memory of this GPU" + (next == live.begin() ? "" : ", " + relative(*std::prev(next)->second));
}

Heap::~Heap() {
  for (auto& entry : live) munmap(entry.second->mapping, entry.second->mappingBytes);
  for (auto& a : freed) munmap(a->mapping, a->mappingBytes);
}

void* PinnedMemory::allocate(size_t bytes, const void* owner) {
  if (bytes == 0) throw Refusal(CUDA_ERROR_INVALID_VALUE, "asked for 0 bytes");
  void* p = mmap(nullptr, roundUp(bytes, PAGE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw Refusal(CUDA_ERROR_OUT_OF_MEMORY, "the host has no memory left");
  std::memset(p, POISON, bytes);
  ranges[reinterpret_cast<uintptr_t>(p)] = {bytes, true, owner};
  return p;
}

void PinnedMemory::free(void* address) {
  size_t bytes = bytesAt(address, true);
  ranges.erase(reinterpret_cast<uintptr_t>(address));
  munmap(address, roundUp(bytes, PAGE));
}

void PinnedMemory::freeAllOf(const void* owner) {
  for (auto it = ranges.begin(); it != ranges.end();) {
    if (it->second.owner == owner) {
      if (it->second.allocated) munmap(reinterpret_cast<void*>(it->first), roundUp(it->second.bytes, PAGE));
      it = ranges.erase(it);
    } else {
      ++it;
    }
  }
}

void PinnedMemory::add(void* address, size_t bytes, const void* owner) {
  auto start = reinterpret_cast<uintptr_t>(address);
  if (address == nullptr || bytes == 0) throw Refusal(CUDA_ERROR_INVALID_VALUE, "an empty range");
  auto next = ranges.lower_bound(start);
  bool meetsNext = next != ranges.end() && next->first < start + bytes;
  bool meetsLast = next != ranges.begin() && std::prev(next)->first + std::prev(next)->second.bytes > start;
  if (meetsNext || meetsLast)
    throw Refusal(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, hex(address) + " overlaps a pinned range");
  ranges[start] = {bytes, false, owner};
}

void PinnedMemory::remove(void* address) {
  auto found = ranges.find(reinterpret_cast<uintptr_t>(address));
  if (found == ranges.end() || found->second.allocated)
    throw Refusal(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, hex(address) + " was not registered");
  ranges.erase(found);
}

bool PinnedMemory::holds(const void* address, size_t bytes) const {
  auto start = reinterpret_cast<uintptr_t>(address);
  auto next = ranges.upper_bound(start);
  if (next == ranges.begin()) return false;
  auto& range = *std::prev(next);
  size_t offset = start - range.first;
  return offset <= range.second.bytes && bytes <= range.second.bytes - offset;
}

size_t PinnedMemory::bytesAt(const void* address, bool allocated) const {
  auto found = ranges.find(reinterpret_cast<uintptr_t>(address));
  if (found == ranges.end() || found->second.allocated != allocated)
    throw Refusal(CUDA_ERROR_INVALID_VALUE, hex(address) + " is not the start of live pinned memory");
  return found->second.bytes;
}

}  // namespace driver
