package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Buffer;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * A pattern as files hold it: {@code weight.columns} (liveGroups, fanIn) and {@code weight.groups}
 * (liveGroups).
 */
final class PatternBuffers {
  private final Backend backend;
  private final PatternFormat format;
  private Buffer columns; // null until a pattern is written
  private Buffer groups;

  PatternBuffers(Backend backend, PatternFormat format) {
    this.backend = backend;
    this.format = format;
  }

  /**
   * Takes a pattern; where its sizes stay, so do the buffers: who saves them may hold on to them.
   */
  void write(UniformPattern next) {
    Shape shape = Shape.of(next.liveGroups(), next.fanIn());
    if (columns == null || !columns.value().shape().equals(shape)) {
      release();
      columns = buffer("columns", shape);
      groups = buffer("groups", Shape.of(next.liveGroups()));
    }
    backend.upload(next.indices(), 0, columns.value());
    backend.upload(next.liveGroupNumbers(), 0, groups.value());
  }

  private Buffer buffer(String part, Shape shape) {
    Tensor tensor = backend.allocate(DType.I32, shape);
    return new Buffer(format.layer() + ".weight." + part, tensor);
  }

  /**
   * The pattern that the buffers hold since they were loaded.
   *
   * @throws IllegalArgumentException where it is none of the format
   */
  UniformPattern readSync() {
    int[] indices = new int[Math.toIntExact(columns.value().size())];
    int[] live = new int[Math.toIntExact(groups.value().size())];
    backend.downloadSync(columns.value(), indices, 0);
    backend.downloadSync(groups.value(), live, 0);
    return format.saved(columns.value().shape().columns(), live, indices);
  }

  void buffers(Consumer<Buffer> sink) {
    sink.accept(columns);
    sink.accept(groups);
  }

  void release() {
    if (columns != null) {
      backend.free(columns.value());
      backend.free(groups.value());
    }
  }
}
