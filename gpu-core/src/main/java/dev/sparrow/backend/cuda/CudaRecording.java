package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Recording;
import java.util.function.LongConsumer;

/**
 * Work that becomes a CUDA graph. It first runs as it is, which lets scratch memory grow to what it
 * needs; the next call captures it, and from then on it is replayed. Where scratch memory has moved
 * since, because other work asked for more, the graph's addresses are stale: it starts over.
 */
final class CudaRecording implements Recording {
  private final KernelQueue queue;
  private final TokenOrigin origin;
  private final String name;
  private final LongConsumer work;
  private CudaGraph graph;
  private long generation = -1;

  CudaRecording(KernelQueue queue, TokenOrigin origin, String name, LongConsumer work) {
    this.queue = queue;
    this.origin = origin;
    this.name = name;
    this.work = work;
  }

  @Override
  public void run(long firstToken) {
    origin.set(firstToken);
    if (generation != queue.generation()) {
      close();
      work.accept(firstToken);
      generation = queue.generation();
      return;
    }
    if (graph == null) {
      graph = capture(firstToken);
    }
    queue.stream().launch(graph);
  }

  private CudaGraph capture(long firstToken) {
    queue.recording(true);
    try (GraphCapture capture = GraphCapture.begin(queue.stream(), name)) {
      work.accept(firstToken);
      return capture.end();
    } finally {
      queue.recording(false);
    }
  }

  /** The graph is no longer needed; a later run records anew. */
  @Override
  public void close() {
    if (graph != null) {
      graph.close();
      graph = null;
    }
    generation = -1;
  }
}
