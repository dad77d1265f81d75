// Capture of streams, and graphs.
#include "emulate/driver/driver.h"

using namespace driver;

SPARROW_CUDA_API CUresult cuStreamBeginCapture_v2(CUstream handle, int mode) {
  return call("cuStreamBeginCapture", [&](Driver& d, auto&) {
    auto stream = d.stream(handle, *current());
    if (mode < CAPTURE_GLOBAL || mode > CAPTURE_RELAXED)
      throw Refusal(CUDA_ERROR_INVALID_VALUE, "mode " + std::to_string(mode));
    if (stream->capture != nullptr) {
      stream->capture->invalidated = true;
      throw Refusal(CUDA_ERROR_INVALID_VALUE, "the stream is captured already");
    }
    auto capture = std::make_shared<Capture>();
    capture->thread = std::this_thread::get_id();
    capture->mode = CaptureMode(mode);
    capture->add(*stream, capture);
    d.captures.push_back(capture);
  });
}

SPARROW_CUDA_API CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  return call("cuStreamEndCapture", [&](Driver& d, auto&) {
    auto context = current();
    auto stream = d.stream(handle, *context);
    result(graph) = nullptr;
    auto capture = stream->capture;
    if (capture == nullptr) throw Refusal(CUDA_ERROR_INVALID_VALUE, "the stream is not captured");
    if (stream->lane != 0) {
      capture->invalidated = true;
      throw Refusal(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture began in another stream");
    }
    if (capture->mode != CAPTURE_RELAXED && capture->thread != std::this_thread::get_id())
      throw Refusal(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "another thread began the capture");
    capture->end();
    d.captures.erase(std::find(d.captures.begin(), d.captures.end(), capture));
    if (capture->invalidated) throw Refusal(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture was made invalid before");
    if (!capture->graph.joined())
      throw Refusal(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "the stream does not wait for work that was forked from it");
    d.graphs.add(graph, std::make_shared<HeldGraph>(*context, std::move(capture->graph)));
  });
}

SPARROW_CUDA_API CUresult cuStreamIsCapturing(CUstream handle, int* status) {
  return call("cuStreamIsCapturing", [&](Driver& d, auto&) {
    auto stream = d.stream(handle, *current());
    if (stream->capture == nullptr) result(status) = CAPTURE_STATUS_NONE;
    else result(status) = stream->capture->invalidated ? CAPTURE_STATUS_INVALIDATED : CAPTURE_STATUS_ACTIVE;
  });
}

SPARROW_CUDA_API CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph handle, unsigned long long) {
  return call("cuGraphInstantiate", [&](Driver& d, auto&) {
    auto context = current();
    auto graph = d.graphs.get(handle, "graph", *context);
    d.executables.add(&result(executable), std::make_shared<GraphExec>(*context, graph->graph));
  });
}

SPARROW_CUDA_API CUresult cuGraphLaunch(CUgraphExec handle, CUstream streamHandle) {
  return call("cuGraphLaunch", [&](Driver& d, auto&) {
    auto context = current();
    auto executable = d.executables.get(handle, "executable graph", *context);
    auto stream = d.stream(streamHandle, *context);
    if (stream->capture != nullptr) throw Refusal(CUDA_ERROR_NOT_SUPPORTED, "graphs within graphs are not emulated");
    executable->launch(*stream);
  });
}

SPARROW_CUDA_API CUresult cuGraphDestroy(CUgraph handle) {
  return call("cuGraphDestroy", [&](Driver& d, auto&) {
    d.graphs.get(handle, "graph", *current());
    d.graphs.remove(handle);
  });
}

// Launches of it that are queued still run.
SPARROW_CUDA_API CUresult cuGraphExecDestroy(CUgraphExec handle) {
  return call("cuGraphExecDestroy", [&](Driver& d, auto&) {
    d.executables.get(handle, "executable graph", *current());
    d.executables.remove(handle);
  });
}
