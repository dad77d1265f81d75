package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Parameter;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * A matrix, or stacked ones, held whole and zero off its pattern. Its gradient is made zero there,
 * too, after each product, so that norms, sums over ranks and the optimizer see what they would see
 * of the non-zeros alone: no weight leaves zero there, no moment, and nothing decays.
 *
 * <p>Beside the parameter {@code weight}, shaped as a dense one, files hold the pattern: as {@link
 * PatternBuffers}, or as {@link MaskBits} where it is unstructured.
 */
final class MaskedMatrix implements PatternedMatrix {
  private final Backend backend;
  private final Parameter whole;
  private final MaskBits bits;
  private final PatternBuffers saved; // null where the bits are saved
  private UniformPattern pattern;

  /**
   * @param structured whether the pattern's rows are the matrix's
   * @param whole whose weights off the pattern are the caller's to set
   */
  MaskedMatrix(
      Backend backend,
      PatternFormat format,
      boolean structured,
      UniformPattern pattern,
      Parameter whole) {
    this.backend = backend;
    this.whole = whole;
    this.bits = new MaskBits(backend, format);
    this.saved = structured ? new PatternBuffers(backend, format) : null;
    replace(pattern);
  }

  @Override
  public void replace(UniformPattern next) {
    pattern = next;
    bits.write(next);
    if (saved != null) {
      saved.write(next);
    }
  }

  @Override
  public void readBuffers() {
    UniformPattern read = saved == null ? bits.readSync() : saved.readSync();
    if (!read.equals(pattern)) {
      replace(read);
    }
  }

  @Override
  public void release() {
    bits.release();
    if (saved != null) {
      saved.release();
    }
  }

  @Override
  public UniformPattern pattern() {
    return pattern;
  }

  @Override
  public Parameter parameter() {
    return whole;
  }

  @Override
  public boolean isSparse() {
    return false;
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    if (saved == null) {
      sink.accept(bits.buffer());
    } else {
      saved.buffers(sink);
    }
  }

  @Override
  public void mask(Tensor numbers) {
    backend.sparse().mask(bits.buffer().value(), numbers);
  }

  @Override
  public String kind() {
    return saved == null
        ? "unstructured, %d of %d, multiplied whole".formatted(pattern.nonZeros(), whole.size())
        : "uniformly sparse, " + pattern + ", multiplied whole";
  }
}
