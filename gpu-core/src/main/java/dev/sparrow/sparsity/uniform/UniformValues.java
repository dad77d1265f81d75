package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The non-zeros alone of a matrix, or of stacked ones, of which each row holds the same number: a
 * parameter {@code weight.values} (liveRows, fanIn), and {@link PatternBuffers} that say where they
 * lie.
 */
final class UniformValues implements PatternedMatrix {
  private final LinearSpec spec;
  private final Function<UniformPattern, SparsePattern> loader;
  private final PatternBuffers buffers;
  private Parameter values;
  private UniformPattern pattern;
  private SparsePattern loaded;

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
    this.spec = spec;
    this.loader = loader;
    this.buffers = new PatternBuffers(backend, format);
    makeRoom(pattern);
    take(pattern);
  }

  private void makeRoom(UniformPattern next) {
    Shape shape = Shape.of(next.liveRows(), next.fanIn());
    values =
        new Parameter(
            spec.name() + ".weight.values", shape, PatternedMatrix.start(spec, next), true);
  }

  private void take(UniformPattern next) {
    pattern = next;
    loaded = loader.apply(next);
    buffers.write(next);
  }

  @Override
  public void replace(UniformPattern next) {
    loaded.close();
    if (next.liveGroups() != pattern.liveGroups() || next.fanIn() != pattern.fanIn()) {
      makeRoom(next);
    }
    take(next);
  }

  @Override
  public void release() {
    loaded.close();
    buffers.release();
  }

  @Override
  public void readBuffers() {
    UniformPattern saved = buffers.readSync();
    if (!saved.equals(pattern)) {
      replace(saved);
    }
  }

  @Override
  public UniformPattern pattern() {
    return pattern;
  }

  /** The pattern on the device, until it changes. */
  SparsePattern loaded() {
    return loaded;
  }

  /** Another one once the pattern's sizes change. */
  @Override
  public Parameter parameter() {
    return values;
  }

  @Override
  public boolean isSparse() {
    return true;
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    buffers.buffers(sink);
  }

  @Override
  public void mask(Tensor numbers) {
    // They have no place off the pattern.
  }

  @Override
  public String kind() {
    return "uniformly sparse, " + pattern;
  }
}
