// Streams, events and what is launched into streams.
#include "emulate/driver/driver.h"

using namespace driver;

// ---- Streams ----

static CUresult createStream(const char* name, CUstream* handle, unsigned flags) {
  return call(name, [&](Driver& d, auto&) {
    auto context = current();
    if (flags > CU_STREAM_NON_BLOCKING) throw Refusal(CUDA_ERROR_INVALID_VALUE, "flags " + std::to_string(flags));
    context->newStream();
    d.streams.add(&result(handle), context->streams.back());
  });
}

SPARROW_CUDA_API CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  return createStream("cuStreamCreate", stream, flags);
}

SPARROW_CUDA_API CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int) {
  return createStream("cuStreamCreateWithPriority", stream, flags);
}

// What was queued still runs.
SPARROW_CUDA_API CUresult cuStreamDestroy_v2(CUstream handle) {
  return call("cuStreamDestroy", [&](Driver& d, auto&) {
    auto context = current();
    auto stream = d.stream(handle, *context);
    d.spoil(*stream);
    stream->destroyed = true;
    d.streams.remove(handle);
  });
}

SPARROW_CUDA_API CUresult cuStreamSynchronize(CUstream handle) {
  return call("cuStreamSynchronize", [&](Driver& d, auto& lock) {
    auto context = current();
    auto stream = d.stream(handle, *context);
    d.spoil(*stream);
    d.forbidDuringCapture();
    auto end = context->newMark();
    stream->queue.push_back({nullptr, end, nullptr});
    d.waitFor(lock, context, end);
  });
}

// Whoever asks again and again gets there: each time a little is done.
SPARROW_CUDA_API CUresult cuStreamQuery(CUstream handle) {
  return call("cuStreamQuery", [&](Driver& d, auto& lock) {
    auto context = current();
    auto stream = d.stream(handle, *context);
    d.spoil(*stream);
    d.forbidDuringCapture();
    if (!stream->idle()) d.worker.runOne(lock, context);
    context->requireHealthy();
    if (!stream->idle()) throw Refusal(CUDA_ERROR_NOT_READY, "");
  });
}

// ---- Events ----

SPARROW_CUDA_API CUresult cuEventCreate(CUevent* handle, unsigned flags) {
  return call("cuEventCreate", [&](Driver& d, auto&) {
    auto context = current();
    if (flags & ~(CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING))
      throw Refusal(CUDA_ERROR_INVALID_VALUE, "flags " + std::to_string(flags));
    d.events.add(&result(handle), std::make_shared<Event>(*context, flags));
  });
}

SPARROW_CUDA_API CUresult cuEventDestroy_v2(CUevent handle) {
  return call("cuEventDestroy", [&](Driver& d, auto&) {
    d.events.get(handle, "event", *current());
    d.events.remove(handle);
  });
}

SPARROW_CUDA_API CUresult cuEventRecord(CUevent handle, CUstream streamHandle) {
  return call("cuEventRecord", [&](Driver& d, auto&) {
    auto context = current();
    auto event = d.events.get(handle, "event", *context);
    auto stream = d.stream(streamHandle, *context);
    event->capture = stream->capture;
    if (stream->capture == nullptr) {
      event->mark = context->newMark();
      stream->queue.push_back({nullptr, event->mark, nullptr});
      return;
    }
    Capture& capture = *stream->capture;
    if (capture.invalidated) throw Refusal(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the stream's capture is invalid");
    event->captureMark = capture.graph.marks++;
    capture.laneOf(*stream).push_back({nullptr, event->captureMark, -1});
  });
}

static void waitInCapture(Stream& stream, Event& event) {
  std::shared_ptr<Capture> capture = event.capture != nullptr ? event.capture : stream.capture;
  if (event.capture == nullptr) {
    capture->invalidated = true;
    throw Refusal(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "a captured stream would wait for an event outside its capture");
  }
  if (capture->ended) throw Refusal(CUDA_ERROR_CAPTURED_EVENT, "the event was last recorded in a capture, which has ended");
  if (capture->invalidated) throw Refusal(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the event's capture is invalid");
  if (stream.capture != nullptr && stream.capture != capture) {
    stream.capture->invalidated = capture->invalidated = true;
    throw Refusal(CUDA_ERROR_STREAM_CAPTURE_MERGE, "two captures would become one");
  }
  if (&stream.context != &capture->streams.front()->context)
    throw Refusal(CUDA_ERROR_NOT_SUPPORTED, "captures over two GPUs are not emulated");
  if (stream.capture == nullptr) capture->add(stream, capture);
  capture->laneOf(stream).push_back({nullptr, -1, event.captureMark});
}

SPARROW_CUDA_API CUresult cuStreamWaitEvent(CUstream streamHandle, CUevent handle, unsigned flags) {
  return call("cuStreamWaitEvent", [&](Driver& d, auto&) {
    auto stream = d.stream(streamHandle, *current());
    auto event = d.events.get(handle, "event");  // perhaps of another GPU
    if (flags != 0) throw Refusal(CUDA_ERROR_INVALID_VALUE, "flags " + std::to_string(flags));
    if (stream->capture != nullptr || event->capture != nullptr) return waitInCapture(*stream, *event);
    if (event->mark != nullptr) stream->queue.push_back({nullptr, nullptr, event->mark});
  });
}

static void requireUncaptured(const Event& event) {
  if (event.capture == nullptr) return;
  event.capture->invalidated = true;
  throw Refusal(CUDA_ERROR_CAPTURED_EVENT, "the event was last recorded in a captured stream");
}

SPARROW_CUDA_API CUresult cuEventSynchronize(CUevent handle) {
  return call("cuEventSynchronize", [&](Driver& d, auto& lock) {
    auto context = current();
    auto event = d.events.get(handle, "event", *context);
    requireUncaptured(*event);
    d.forbidDuringCapture();
    if (event->mark != nullptr) d.waitFor(lock, context, event->mark);
  });
}

SPARROW_CUDA_API CUresult cuEventQuery(CUevent handle) {
  return call("cuEventQuery", [&](Driver& d, auto& lock) {
    auto context = current();
    auto event = d.events.get(handle, "event", *context);
    requireUncaptured(*event);
    d.forbidDuringCapture();
    std::shared_ptr<Mark> mark = event->mark;
    if (mark != nullptr && !mark->done) d.worker.runOne(lock, context);
    context->requireHealthy();
    if (mark != nullptr && !mark->done) throw Refusal(CUDA_ERROR_NOT_READY, "");
  });
}

SPARROW_CUDA_API CUresult cuEventElapsedTime(float* millis, CUevent start, CUevent end) {
  return call("cuEventElapsedTime", [&](Driver& d, auto&) {
    auto context = current();
    auto first = d.events.get(start, "event", *context), last = d.events.get(end, "event", *context);
    for (auto& event : {first, last}) {
      requireUncaptured(*event);
      if (event->flags & CU_EVENT_DISABLE_TIMING)
        throw Refusal(CUDA_ERROR_INVALID_HANDLE, "an event was created without timing");
      if (event->mark == nullptr) throw Refusal(CUDA_ERROR_INVALID_HANDLE, "an event was never recorded");
      if (!event->mark->done) throw Refusal(CUDA_ERROR_NOT_READY, "");
    }
    result(millis) = std::chrono::duration<float, std::milli>(last->mark->time - first->mark->time).count();
  });
}

// ---- Launches ----

SPARROW_CUDA_API CUresult cuLaunchKernel(CUfunction handle, unsigned gridX, unsigned gridY, unsigned gridZ,
                                         unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes,
                                         CUstream streamHandle, void** arguments, void** extra) {
  return call("cuLaunchKernel", [&](Driver& d, auto&) {
    auto context = current();
    auto function = d.functions.get(handle, "function", *context);
    auto stream = d.stream(streamHandle, *context);
    if (extra != nullptr) throw Refusal(CUDA_ERROR_NOT_SUPPORTED, "arguments by `extra` are not emulated");
    LaunchShape shape{{gridX, gridY, gridZ}, {blockX, blockY, blockZ}, sharedBytes};
    shape.require(*function);
    enqueue(*stream, std::make_shared<KernelLaunch>(function, shape, arguments));
  });
}

SPARROW_CUDA_API CUresult cuLaunchHostFunc(CUstream handle, CUhostFn function, void* data) {
  return call("cuLaunchHostFunc", [&](Driver& d, auto&) {
    auto stream = d.stream(handle, *current());
    if (function == nullptr) throw Refusal(CUDA_ERROR_INVALID_VALUE, "no function");
    enqueue(*stream, std::make_shared<HostFunction>(function, data));
  });
}
