package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The numbers of a matrix, or of stacked ones, of which each row holds the same number of
 * non-zeros: a parameter {@code weight.values} (liveRows, fanIn), and two buffers that say where
 * they lie, {@code weight.columns} (liveGroups, fanIn) and {@code weight.groups} (liveGroups).
 */
final class UniformValues {
  private final Backend backend;
  private final LinearSpec spec;
  private final PatternFormat format;
  private final Function<UniformPattern, SparsePattern> loader;
  private Parameter values;
  private UniformPattern pattern;
  private SparsePattern loaded;
  private Buffer columns;
  private Buffer groups;

  /**
   * @param spec of one matrix
   * @param loader brings a pattern to the device
   */
  UniformValues(
      Backend backend,
      LinearSpec spec,
      PatternFormat format,
      UniformPattern pattern,
      Function<UniformPattern, SparsePattern> loader) {
    this.backend = backend;
    this.spec = spec;
    this.format = format;
    this.loader = loader;
    makeRoom(pattern);
    take(pattern);
  }

  private void makeRoom(UniformPattern next) {
    Shape shape = Shape.of(next.liveRows(), next.fanIn());
    values = new Parameter(spec.name() + ".weight.values", shape, initializer(next), true);
    columns = buffer("columns", next.liveGroups(), next.fanIn());
    groups = buffer("groups", next.liveGroups());
  }

  /** As much variance in a row's output as that of a dense row (Evci et al. 2020, appendix). */
  private Initializer initializer(UniformPattern next) {
    double lift = Math.sqrt((double) spec.in() / next.fanIn());
    return Initializer.normal(spec.standardDeviation() * lift);
  }

  private Buffer buffer(String part, int... dims) {
    Tensor tensor = backend.allocate(DType.I32, Shape.of(dims));
    return new Buffer(spec.name() + ".weight." + part, tensor);
  }

  private void take(UniformPattern next) {
    pattern = next;
    loaded = loader.apply(next);
    backend.upload(next.indices(), 0, columns.value());
    backend.upload(next.liveGroupNumbers(), 0, groups.value());
  }

  /**
   * Takes another pattern. Where its sizes stay, so do the parameter, whose values are the caller's
   * to set, and the buffers: who saves them may hold on to them.
   */
  void replace(UniformPattern next) {
    if (next.liveGroups() == pattern.liveGroups() && next.fanIn() == pattern.fanIn()) {
      loaded.close();
    } else {
      release();
      makeRoom(next);
    }
    take(next);
  }

  /** Gives back the pattern's memory. */
  void release() {
    loaded.close();
    backend.free(columns.value());
    backend.free(groups.value());
  }

  /** Takes the pattern that the buffers hold since they were loaded. */
  void readBuffers() {
    int[] indices = new int[Math.toIntExact(columns.value().size())];
    int[] live = new int[Math.toIntExact(groups.value().size())];
    backend.downloadSync(columns.value(), indices, 0);
    backend.downloadSync(groups.value(), live, 0);
    UniformPattern saved;
    try {
      saved = format.pattern(pattern.fanIn(), live, indices);
    } catch (IllegalArgumentException broken) {
      throw new IllegalArgumentException(
          spec.name() + ".weight: saved " + broken.getMessage(), broken);
    }
    if (!saved.equals(pattern)) {
      replace(saved);
    }
  }

  UniformPattern pattern() {
    return pattern;
  }

  /** The pattern on the device, until it changes. */
  SparsePattern loaded() {
    return loaded;
  }

  /** What is trained, until the pattern's sizes change. */
  Parameter parameter() {
    return values;
  }

  void buffers(Consumer<Buffer> sink) {
    sink.accept(columns);
    sink.accept(groups);
  }

  /** In words, for inspection. */
  String kind() {
    return "uniformly sparse, " + pattern;
  }
}
