package dev.sparrow.backend.cuda;

import jcuda.driver.CUgraph;
import jcuda.driver.CUresult;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/**
 * Records what is queued on a stream, instead of running it, into a {@link CudaGraph}. Between
 * begin and end nothing may be allocated, waited for or queried, or the driver invalidates the
 * capture. Closing before {@link #end} drops what was recorded. Used by the context's thread.
 *
 * <pre>
 *   try (GraphCapture capture = GraphCapture.begin(stream, "step")) {
 *     ...
 *     graph = capture.end();
 *   }
 * </pre>
 */
final class GraphCapture implements AutoCloseable {
  private final Stream stream;
  private final String name;
  private boolean open = true;

  private GraphCapture(Stream stream, String name) {
    this.stream = stream;
    this.name = name;
  }

  /**
   * @param name for messages
   */
  static GraphCapture begin(Stream stream, String name) {
    stream.check(
        "cuStreamBeginCapture",
        JCudaDriver.cuStreamBeginCapture(
            stream.handle(), CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    return new GraphCapture(stream, name);
  }

  /** The graph, ready to launch; the caller closes it. */
  CudaGraph end() {
    if (!open) {
      throw new IllegalStateException("graph capture " + name + ": ended before");
    }
    open = false;
    CUgraph graph = new CUgraph();
    stream.check("cuStreamEndCapture", JCudaDriver.cuStreamEndCapture(stream.handle(), graph));
    try {
      return new CudaGraph(name, Cuda.instantiate(graph));
    } finally {
      Cuda.destroy(graph);
    }
  }

  @Override
  public void close() {
    if (open) {
      open = false;
      CUgraph dropped = new CUgraph();
      // Whatever broke the block is on its way up; an invalidated capture has no graph.
      int code = JCudaDriver.cuStreamEndCapture(stream.handle(), dropped);
      if (code == CUresult.CUDA_SUCCESS) {
        Cuda.destroy(dropped);
      }
    }
  }
}
