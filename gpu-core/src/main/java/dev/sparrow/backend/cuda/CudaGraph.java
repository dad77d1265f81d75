package dev.sparrow.backend.cuda;

import jcuda.driver.CUgraphExec;

/**
 * A captured step, queued whole by {@link Stream#launch(CudaGraph)}. It holds the addresses and
 * scalar arguments of its capture: the blocks behind them must live as long, and what changes from
 * step to step lies in device memory. Closed by its owner on the context's thread, when no launch
 * of it runs any more.
 */
final class CudaGraph implements AutoCloseable {
  private final String name;
  private final CUgraphExec handle;
  private boolean closed;

  CudaGraph(String name, CUgraphExec handle) {
    this.name = name;
    this.handle = handle;
  }

  String name() {
    return name;
  }

  CUgraphExec handle() {
    return handle;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Cuda.destroy(handle);
    }
  }
}
