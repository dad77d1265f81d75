// What the stand-ins of NVIDIA's libraries call of the CUDA driver: that of this process, by name, as the real libraries do.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#define SPARROW_LIBRARY_API extern "C" __attribute__((visibility("default")))

namespace library {

struct DriverCalls {
  int (*contextGetCurrent)(void** context);
  int (*contextGetDevice)(int* device);
  int (*contextPush)(void* context);
  int (*contextPop)(void** context);
  int (*eventCreate)(void** event, unsigned flags);
  int (*eventDestroy)(void* event);
  int (*eventRecord)(void* event, void* stream);
  int (*streamWaitEvent)(void* stream, void* event, unsigned flags);
  int (*streamIsCapturing)(void* stream, int* status);
  int (*launchHostFunc)(void* stream, void (*function)(void*), void* data);

  static const DriverCalls& get() {
    static const DriverCalls calls;
    return calls;
  }

 private:
  DriverCalls() {
    void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    if (driver == nullptr) fail("libcuda.so.1 is not loaded");
    find(driver, "cuCtxGetCurrent", contextGetCurrent);
    find(driver, "cuCtxGetDevice", contextGetDevice);
    find(driver, "cuCtxPushCurrent_v2", contextPush);
    find(driver, "cuCtxPopCurrent_v2", contextPop);
    find(driver, "cuEventCreate", eventCreate);
    find(driver, "cuEventDestroy_v2", eventDestroy);
    find(driver, "cuEventRecord", eventRecord);
    find(driver, "cuStreamWaitEvent", streamWaitEvent);
    find(driver, "cuStreamIsCapturing", streamIsCapturing);
    find(driver, "cuLaunchHostFunc", launchHostFunc);
  }

  template <typename Function>
  static void find(void* driver, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(driver, name));
    if (function == nullptr) fail(name);
  }

  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "a stand-in of NVIDIA's libraries: %s\n", what);
    std::abort();
  }
};

inline void* currentContext() {
  void* context = nullptr;
  return DriverCalls::get().contextGetCurrent(&context) == 0 ? context : nullptr;
}

inline float fromBf16(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, sizeof value);
  return value;
}

// Rounded to nearest, ties to even.
inline uint16_t toBf16(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000) return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace library
