// Memory and what moves it.
#include "emulate/driver/driver.h"

using namespace driver;

namespace {

// What would fail on the device is refused at the call.
void requireSound(Driver& d, const Context& context, const Operation& operation) {
  std::vector<Allocation*> touched;
  try {
    operation.check(context.heap, d.pinned, touched);
  } catch (const DeviceFailure& failure) {
    throw Refusal(CUDA_ERROR_INVALID_VALUE, operation.words() + ": " + failure.what());
  }
}

CUresult queue(const char* name, CUstream handle, std::shared_ptr<const Operation> operation) {
  return call(name, [&](Driver& d, auto&) {
    auto context = current();
    auto stream = d.stream(handle, *context);
    try {
      requireSound(d, *context, *operation);
    } catch (const Refusal& refusal) {
      if (stream->capture == nullptr) throw;
      stream->capture->invalidated = true;
      throw Refusal(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, std::string(refusal.what()) + "; the capture is invalid now");
    }
    enqueue(*stream, std::move(operation));
  });
}

CUresult runNow(const char* name, std::shared_ptr<const Operation> operation) {
  return call(name, [&](Driver& d, auto& lock) {
    auto context = current();
    d.forbidDuringCapture();
    requireSound(d, *context, *operation);
    Stream& stream = context->copyStream();
    auto end = context->newMark();
    stream.queue.push_back({std::move(operation), nullptr, nullptr});
    stream.queue.push_back({nullptr, end, nullptr});
    d.waitFor(lock, context, end);
  });
}

void requireUnused(const Driver& d, const void* address, size_t bytes) {
  std::string user = d.queued([&](const Operation& operation) { return operation.usesHost(address, bytes); });
  if (!user.empty()) throw Refusal(CUDA_ERROR_INVALID_VALUE, hex(address) + " is still to be used: " + user);
}

}  // namespace

// ---- Of the device ----

SPARROW_CUDA_API CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  return call("cuMemAlloc", [&](Driver& d, auto&) {
    auto context = current();
    d.forbidDuringCapture();
    result(address) = context->heap.allocate(bytes);
  });
}

// Waits for all work of the context, as the real driver does.
SPARROW_CUDA_API CUresult cuMemFree_v2(CUdeviceptr address) {
  return call("cuMemFree", [&](Driver& d, auto& lock) {
    if (address == 0) return;
    auto context = current();
    d.forbidDuringCapture();
    d.worker.runUntil(lock, context, [&] { return context->idle(); });
    context->requireHealthy();
    try {
      context->heap.free(address);
    } catch (const DeviceFailure& damage) {
      context->fail(damage.code, damage.what());
      context->requireHealthy();
    }
  });
}

SPARROW_CUDA_API CUresult cuMemGetInfo_v2(size_t* freeBytes, size_t* totalBytes) {
  return call("cuMemGetInfo", [&](Driver&, auto&) {
    auto context = current();
    result(freeBytes) = context->heap.freeBytes();
    result(totalBytes) = context->heap.totalBytes();
  });
}

// ---- Of the host ----

SPARROW_CUDA_API CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  return call("cuMemHostAlloc", [&](Driver& d, auto&) {
    auto context = current();
    d.forbidDuringCapture();
    result(address) = d.pinned.allocate(bytes, context.get());
  });
}

// A real driver may wait here for copies that use the memory; nobody should count on that, so they are an error.
SPARROW_CUDA_API CUresult cuMemFreeHost(void* address) {
  return call("cuMemFreeHost", [&](Driver& d, auto&) {
    current();
    d.forbidDuringCapture();
    requireUnused(d, address, d.pinned.bytesAt(address, true));
    d.pinned.free(address);
  });
}

SPARROW_CUDA_API CUresult cuMemHostRegister_v2(void* address, size_t bytes, unsigned) {
  return call("cuMemHostRegister", [&](Driver& d, auto&) {
    auto context = current();
    d.forbidDuringCapture();
    d.pinned.add(address, bytes, context.get());
  });
}

SPARROW_CUDA_API CUresult cuMemHostUnregister(void* address) {
  return call("cuMemHostUnregister", [&](Driver& d, auto&) {
    current();
    d.forbidDuringCapture();
    requireUnused(d, address, d.pinned.bytesAt(address, false));
    d.pinned.remove(address);
  });
}

// ---- Copies and fills ----

SPARROW_CUDA_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  return queue("cuMemcpyHtoDAsync", stream, Copy::toDevice(to, from, bytes, HostMemory::PINNED));
}

SPARROW_CUDA_API CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return queue("cuMemcpyDtoHAsync", stream, Copy::toHost(to, from, bytes, HostMemory::PINNED));
}

SPARROW_CUDA_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return queue("cuMemcpyDtoDAsync", stream, Copy::within(to, from, bytes));
}

SPARROW_CUDA_API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  return runNow("cuMemcpyHtoD", Copy::toDevice(to, from, bytes, HostMemory::PAGEABLE));
}

SPARROW_CUDA_API CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  return runNow("cuMemcpyDtoH", Copy::toHost(to, from, bytes, HostMemory::PAGEABLE));
}

SPARROW_CUDA_API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return runNow("cuMemcpyDtoD", Copy::within(to, from, bytes));
}

SPARROW_CUDA_API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return queue("cuMemsetD8Async", stream, std::make_shared<Fill>(to, value, 1, count));
}

SPARROW_CUDA_API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return queue("cuMemsetD32Async", stream, std::make_shared<Fill>(to, value, 4, count));
}
