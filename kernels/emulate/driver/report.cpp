#include "emulate/driver/report.h"

#include <cstdio>
#include <mutex>
#include <utility>

namespace driver {

namespace {

struct Reports {
  std::mutex mutex;
  std::string last;
  bool quiet = false;
};

Reports& reports() {
  static auto& one = *new Reports;
  return one;
}

}  // namespace

void report(const std::string& text) {
  std::lock_guard<std::mutex> lock(reports().mutex);
  reports().last = text;
  if (!reports().quiet) std::fprintf(stderr, "emulated CUDA driver: %s\n", text.c_str());
}

bool beQuiet(bool quiet) {
  std::lock_guard<std::mutex> lock(reports().mutex);
  return std::exchange(reports().quiet, quiet);
}

std::string hex(CUdeviceptr address) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", address);
  return text;
}

std::string hex(const void* address) { return hex(CUdeviceptr(reinterpret_cast<uintptr_t>(address))); }

}  // namespace driver

// The last line that was reported, for tests; at most size - 1 characters and a zero.
SPARROW_CUDA_API void sparrowEmulatedLastReport(char* text, int size) {
  std::lock_guard<std::mutex> lock(driver::reports().mutex);
  std::snprintf(text, size_t(size), "%s", driver::reports().last.c_str());
}
