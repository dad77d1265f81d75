// Devices, contexts, modules, functions, errors.
#include <cstdio>
#include <cstring>

#include "emulate/driver/driver.h"
#include "emulate/simt.h"

using namespace driver;

SPARROW_CUDA_API CUresult cuInit(unsigned flags) {
  Driver& d = driver::driver();
  Worker::Lock lock(d.mutex);
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (d.settings.gpus < 1) return CUDA_ERROR_NO_DEVICE;
  if (!d.initialised)
    for (int i = 0; i < d.settings.gpus; i++) d.devices.push_back({i, nullptr, 0});
  d.initialised = true;
  return CUDA_SUCCESS;
}

SPARROW_CUDA_API CUresult cuDriverGetVersion(int* version) {
  if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *version = 12040;
  return CUDA_SUCCESS;
}

SPARROW_CUDA_API CUresult cuGetErrorName(CUresult code, const char** name) {
  switch (code) {
#define SPARROW_NAME(name_, number, text) \
  case number: *name = "CUDA_" #name_; return CUDA_SUCCESS;
    SPARROW_CUDA_CODES(SPARROW_NAME)
#undef SPARROW_NAME
  }
  *name = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

SPARROW_CUDA_API CUresult cuGetErrorString(CUresult code, const char** text) {
  switch (code) {
#define SPARROW_TEXT(name_, number, text_) \
  case number: *text = text_; return CUDA_SUCCESS;
    SPARROW_CUDA_CODES(SPARROW_TEXT)
#undef SPARROW_TEXT
  }
  *text = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

// ---- Devices ----

SPARROW_CUDA_API CUresult cuDeviceGetCount(int* count) {
  return call("cuDeviceGetCount", [&](Driver& d, auto&) { result(count) = int(d.devices.size()); });
}

SPARROW_CUDA_API CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return call("cuDeviceGet", [&](Driver& d, auto&) { result(device) = d.device(ordinal).ordinal; });
}

SPARROW_CUDA_API CUresult cuDeviceGetName(char* name, int size, CUdevice device) {
  return call("cuDeviceGetName", [&](Driver& d, auto&) {
    d.device(device);
    std::snprintf(&result(name), size_t(size), "Emulated GPU");
  });
}

SPARROW_CUDA_API CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  return call("cuDeviceGetUuid", [&](Driver& d, auto&) {
    std::memcpy(result(uuid).bytes, "sparrow emulated", sizeof uuid->bytes);
    uuid->bytes[15] = char('0' + d.device(device).ordinal);
  });
}

SPARROW_CUDA_API CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) { return cuDeviceGetUuid(uuid, device); }

SPARROW_CUDA_API CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  return call("cuDeviceTotalMem", [&](Driver& d, auto&) {
    Device& of = d.device(device);
    result(bytes) = of.primary != nullptr ? of.primary->heap.totalBytes() : size_t(d.settings.memoryMib) << 20;
  });
}

static int valueOf(int attribute) {
  switch (attribute) {
    case MAX_THREADS_PER_BLOCK: case MAX_BLOCK_DIM_X: case MAX_BLOCK_DIM_Y: return 1024;
    case MAX_BLOCK_DIM_Z: return 64;
    case MAX_GRID_DIM_X: return 0x7fffffff;
    case MAX_GRID_DIM_Y: case MAX_GRID_DIM_Z: return 65535;
    case MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
    case MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return int(emulate::SHARED_LIMIT_BYTES);
    case MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return int(emulate::SHARED_LIMIT_BYTES) + 1024;
    case WARP_SIZE: return emulate::WARP;
    case MULTIPROCESSOR_COUNT: return 4;  // few, so that blocks which walk over tiles do walk
    case MAX_THREADS_PER_MULTIPROCESSOR: return 2048;
    case UNIFIED_ADDRESSING: return 1;
    case COMPUTE_CAPABILITY_MAJOR: return 8;
    case COMPUTE_CAPABILITY_MINOR: return 0;
    default: throw Refusal(CUDA_ERROR_INVALID_VALUE, "attribute " + std::to_string(attribute) + " is not emulated");
  }
}

SPARROW_CUDA_API CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice device) {
  return call("cuDeviceGetAttribute", [&](Driver& d, auto&) {
    d.device(device);
    result(value) = valueOf(attribute);
  });
}

// ---- Contexts ----

SPARROW_CUDA_API CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return call("cuDevicePrimaryCtxRetain", [&](Driver& d, auto&) {
    Device& of = d.device(device);
    if (of.primary == nullptr)
      of.primary = std::make_shared<Context>(of.ordinal, size_t(d.settings.memoryMib) << 20, uint64_t(d.settings.seed));
    if (of.primary->failure != CUDA_SUCCESS)
      report("GPU " + std::to_string(device) + ": the context that is retained was lost before: somebody did not close it");
    of.retained++;
    result(context) = reinterpret_cast<CUcontext>(of.primary.get());
  });
}

SPARROW_CUDA_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return call("cuDevicePrimaryCtxRelease", [&](Driver& d, auto& lock) {
    Device& of = d.device(device);
    if (of.retained == 0) throw Refusal(CUDA_ERROR_INVALID_CONTEXT, "the primary context is not retained");
    if (--of.retained == 0) d.destroyPrimary(lock, of);
  });
}

SPARROW_CUDA_API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  return call("cuDevicePrimaryCtxGetState", [&](Driver& d, auto&) {
    result(flags) = 0;
    result(active) = d.device(device).primary != nullptr;
  });
}

static std::shared_ptr<Context> live(Driver& d, CUcontext handle) {
  for (Device& device : d.devices)
    if (device.primary != nullptr && device.primary.get() == reinterpret_cast<Context*>(handle)) return device.primary;
  throw Refusal(CUDA_ERROR_INVALID_CONTEXT, hex(handle) + " is not a live context");
}

SPARROW_CUDA_API CUresult cuCtxPushCurrent_v2(CUcontext context) {
  return call("cuCtxPushCurrent", [&](Driver& d, auto&) { contextsOfThisThread().push_back(live(d, context)); });
}

SPARROW_CUDA_API CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  return call("cuCtxPopCurrent", [&](Driver&, auto&) {
    auto& contexts = contextsOfThisThread();
    if (contexts.empty()) throw Refusal(CUDA_ERROR_INVALID_CONTEXT, "no context is current on this thread");
    if (context != nullptr) *context = reinterpret_cast<CUcontext>(contexts.back().get());
    contexts.pop_back();
  });
}

SPARROW_CUDA_API CUresult cuCtxGetCurrent(CUcontext* context) {
  return call("cuCtxGetCurrent", [&](Driver&, auto&) {
    auto& contexts = contextsOfThisThread();
    result(context) = contexts.empty() ? nullptr : reinterpret_cast<CUcontext>(contexts.back().get());
  });
}

SPARROW_CUDA_API CUresult cuCtxSetCurrent(CUcontext context) {
  return call("cuCtxSetCurrent", [&](Driver& d, auto&) {
    std::shared_ptr<Context> next = context == nullptr ? nullptr : live(d, context);
    auto& contexts = contextsOfThisThread();
    if (!contexts.empty()) contexts.pop_back();
    if (next != nullptr) contexts.push_back(std::move(next));
  });
}

SPARROW_CUDA_API CUresult cuCtxGetDevice(CUdevice* device) {
  return call("cuCtxGetDevice", [&](Driver&, auto&) { result(device) = current()->ordinal; });
}

SPARROW_CUDA_API CUresult cuCtxSynchronize() {
  return call("cuCtxSynchronize", [&](Driver& d, auto& lock) {
    auto context = current();
    d.forbidDuringCapture();
    d.synchronize(lock, context);
  });
}

// ---- Modules: every image holds all kernels of this library ----

SPARROW_CUDA_API CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  return call("cuModuleLoadData", [&](Driver& d, auto&) {
    auto context = current();
    d.forbidDuringCapture();
    if (image == nullptr) throw Refusal(CUDA_ERROR_INVALID_VALUE, "no image");
    d.modules.add(&result(module), std::make_shared<Module>(*context));
  });
}

SPARROW_CUDA_API CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned, int*, void**) {
  return cuModuleLoadData(module, image);
}

SPARROW_CUDA_API CUresult cuModuleLoadFatBinary(CUmodule* module, const void* image) {
  return cuModuleLoadData(module, image);
}

SPARROW_CUDA_API CUresult cuModuleUnload(CUmodule handle) {
  return call("cuModuleUnload", [&](Driver& d, auto&) {
    auto context = current();
    auto module = d.modules.get(handle, "module", *context);
    d.forbidDuringCapture();
    std::string user = d.queued([&](const Operation& operation) { return operation.uses(*module); });
    if (!user.empty()) throw Refusal(CUDA_ERROR_NOT_PERMITTED, "still queued: " + user);
    module->loaded = false;
    d.modules.remove(handle);
  });
}

SPARROW_CUDA_API CUresult cuModuleGetFunction(CUfunction* function, CUmodule handle, const char* name) {
  return call("cuModuleGetFunction", [&](Driver& d, auto&) {
    auto context = current();
    auto module = d.modules.get(handle, "module", *context);
    const Kernel* kernel = findKernel(name);
    if (kernel == nullptr) throw Refusal(CUDA_ERROR_NOT_FOUND, std::string("no emulated kernel ") + name);
    d.functions.add(&result(function), std::make_shared<Function>(*context, module, *kernel));
  });
}

SPARROW_CUDA_API CUresult cuFuncGetAttribute(int* value, int attribute, CUfunction handle) {
  return call("cuFuncGetAttribute", [&](Driver& d, auto&) {
    auto function = d.functions.get(handle, "function", *current());
    switch (attribute) {
      case FUNCTION_MAX_THREADS_PER_BLOCK: result(value) = int(function->kernel.mostThreads); break;
      case FUNCTION_MAX_DYNAMIC_SHARED_SIZE_BYTES: result(value) = int(function->mostDynamicBytes); break;
      default: throw Refusal(CUDA_ERROR_INVALID_VALUE, "attribute " + std::to_string(attribute) + " is not emulated");
    }
  });
}

SPARROW_CUDA_API CUresult cuFuncSetAttribute(CUfunction handle, int attribute, int value) {
  return call("cuFuncSetAttribute", [&](Driver& d, auto&) {
    auto function = d.functions.get(handle, "function", *current());
    if (attribute != FUNCTION_MAX_DYNAMIC_SHARED_SIZE_BYTES)
      throw Refusal(CUDA_ERROR_INVALID_VALUE, "attribute " + std::to_string(attribute) + " is not emulated");
    if (value < 0 || size_t(value) > emulate::SHARED_LIMIT_BYTES)
      throw Refusal(CUDA_ERROR_INVALID_VALUE, function->kernel.name + ": " + std::to_string(value) +
                                                  " bytes of dynamic shared memory, a block may have " +
                                                  std::to_string(emulate::SHARED_LIMIT_BYTES));
    function->mostDynamicBytes = size_t(value);
  });
}
