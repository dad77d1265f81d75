package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * A matrix of which each row holds the same number of non-zeros: a parameter {@code weight.values}
 * (liveRows, fanIn), and two buffers that say where they lie, {@code weight.columns} (liveGroups,
 * fanIn) and {@code weight.groups} (liveGroups).
 */
final class UniformSparseWeight implements LinearWeight {
  private final Backend backend;
  private final LinearSpec spec;
  private final PatternFormat format;
  private Parameter values;
  private UniformPattern pattern;
  private SparsePattern loaded;
  private Buffer columns;
  private Buffer groups;

  UniformSparseWeight(
      Backend backend, LinearSpec spec, PatternFormat format, UniformPattern pattern) {
    this.backend = backend;
    this.spec = spec;
    this.format = format;
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
    loaded = backend.sparse().load(next);
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

  Parameter values() {
    return values;
  }

  @Override
  public int in() {
    return spec.in();
  }

  @Override
  public int out() {
    return spec.out();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    sink.accept(values);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    sink.accept(columns);
    sink.accept(groups);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    // The backend's ops hold what they need.
  }

  @Override
  public void forward(Tensor x, Tensor bias, Tensor residual, Tensor y) {
    backend.sparse().forward(x, values.operand(), loaded, bias, residual, y);
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor bias, Tensor h, Tensor y) {
    backend.sparse().activatedForward(f, x, values.operand(), loaded, bias, h, y);
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh) {
    backend.sparse().backwardWeight(dy, x, loaded, values.gradient(), dbias);
    backend.sparse().activatedBackwardInput(f, dy, values.operand(), loaded, h, dh);
  }

  @Override
  public void backward(Tensor x, Tensor dy, Tensor dbias, boolean accumulate, Tensor dx) {
    backend.sparse().backwardWeight(dy, x, loaded, values.gradient(), dbias);
    if (dx != null) {
      backend.sparse().backwardInput(dy, values.operand(), loaded, accumulate, dx);
    }
  }

  @Override
  public String kind() {
    return "uniformly sparse, " + pattern;
  }

  @Override
  public long parameterCount() {
    return pattern.nonZeros();
  }

  @Override
  public double forwardFlopsPerRow() {
    return 2.0 * pattern.nonZeros();
  }
}
