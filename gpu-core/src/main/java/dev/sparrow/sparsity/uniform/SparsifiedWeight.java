package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.PatternLayout;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.sparsity.ModelChange.Replacement;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/**
 * A matrix, or those of all experts stacked, that is dense at first, or has a pattern from the
 * start, and whose pattern and form, by its non-zeros or whole under a mask, the method changes
 * between steps. For a step that grows connections it also sums the gradient of the whole matrix.
 * How it multiplies is for those that extend it.
 */
abstract class SparsifiedWeight {
  private final Backend backend;
  private final LinearSpec spec;
  private final PatternFormat format;
  private final Shape shape; // (out, in) or (matrices, out, in)
  private Parameter dense; // null once there is a pattern
  private PatternedMatrix patterned; // null while dense
  private int rows;
  private Tensor wholeGradient; // in the float type, or null where nobody asks

  /**
   * Without a form: the class that extends it calls {@link #becomeDense}.
   *
   * @param spec of one matrix
   * @param shape of all matrices, zeros and all
   */
  SparsifiedWeight(Backend backend, LinearSpec spec, PatternFormat format, Shape shape) {
    this.backend = backend;
    this.spec = spec;
    this.format = format;
    this.shape = shape;
  }

  /** Takes a form that multiplies whole matrices, and tells its parameter. */
  abstract Parameter useWhole(Initializer start);

  /** Takes a form that multiplies by these values. */
  abstract void useSparse(UniformValues values);

  /** Brings a pattern to the device. */
  abstract SparsePattern load(UniformPattern pattern);

  final void becomeDense() {
    patterned = null;
    dense = useWhole(Initializer.normal(spec.standardDeviation()));
  }

  Backend backend() {
    return backend;
  }

  /** Of one matrix. */
  LinearSpec spec() {
    return spec;
  }

  PatternFormat format() {
    return format;
  }

  /** Of all matrices, zeros and all: (out, in) or (matrices, out, in). */
  Shape shape() {
    return shape;
  }

  boolean isDense() {
    return dense != null;
  }

  /** Whether products take the non-zeros alone, which are then all that is held. */
  boolean isSparse() {
    return !isDense() && patterned.isSparse();
  }

  /** Whether products could take the non-zeros alone: not those of an unstructured pattern. */
  boolean canBeSparse() {
    return format.hasRowsOf(spec);
  }

  /** Where it {@link #canBeSparse}. */
  PatternLayout layout() {
    return new PatternLayout(shape, format.groupRows(), format.bankColumns());
  }

  /** Where it is not dense. */
  UniformPattern pattern() {
    return patterned.pattern();
  }

  /** What the optimizer updates: the matrix, or its non-zeros. */
  Parameter trained() {
    return isDense() ? dense : patterned.parameter();
  }

  /** Rows of the largest batch that memory was reserved for, over all matrices; 0 before. */
  int rows() {
    return rows;
  }

  void reserved(int most) {
    rows = most;
  }

  /** The whole matrix, zeros and all, in the order of the pattern's rows. */
  float[] matrixSync() {
    float[] values = downloadSync(trained().value());
    return isSparse() ? PatternCarry.toMatrix(backend.hostLoop(), pattern()).apply(values) : values;
  }

  /** The non-zeros alone, (liveRows, fanIn). */
  float[] valuesSync() {
    float[] values = downloadSync(trained().value());
    return isSparse() ? values : PatternCarry.toValues(backend.hostLoop(), pattern()).apply(values);
  }

  private float[] downloadSync(Tensor tensor) {
    float[] host = new float[Math.toIntExact(tensor.size())];
    backend.downloadSync(tensor, host, 0);
    return host;
  }

  /**
   * Starts with a pattern, before there are weights.
   *
   * @param sparsely whether products are to take the non-zeros alone
   */
  void begin(UniformPattern pattern, boolean sparsely) {
    dense = null;
    take(pattern, sparsely);
  }

  /** Takes a pattern and tells how weights and optimizer state follow; new non-zeros are zero. */
  Replacement change(UniformPattern next, boolean sparsely) {
    if (!isSparse() && !sparsely) {
      take(next, false);
      return Replacement.inPlace(trained(), patterned::mask);
    }
    Parameter before = trained();
    UnaryOperator<float[]> carry = carry(next, sparsely);
    take(next, sparsely);
    return new Replacement(
        before, List.of(trained()), (values, kind) -> List.of(carry.apply(values)));
  }

  private UnaryOperator<float[]> carry(UniformPattern next, boolean sparsely) {
    HostLoop loop = backend.hostLoop();
    if (!isSparse()) {
      return PatternCarry.toValues(loop, next);
    }
    UnaryOperator<float[]> toNext = PatternCarry.betweenValues(loop, pattern(), next);
    UnaryOperator<float[]> toMatrix = PatternCarry.toMatrix(loop, next);
    return sparsely ? toNext : values -> toMatrix.apply(toNext.apply(values));
  }

  private void take(UniformPattern next, boolean sparsely) {
    if (patterned != null && patterned.isSparse() == sparsely) {
      patterned.replace(next);
      return;
    }
    if (patterned != null) {
      patterned.release();
    }
    patterned = sparsely ? sparse(next) : masked(next);
    dense = null;
  }

  private UniformValues sparse(UniformPattern pattern) {
    UniformValues values = new UniformValues(backend, spec, format, pattern, this::load);
    useSparse(values);
    return values;
  }

  /** Of a dense weight the matrix stays. */
  private MaskedMatrix masked(UniformPattern pattern) {
    Parameter whole = dense == null ? useWhole(this::startMasked) : dense;
    return new MaskedMatrix(backend, format, canBeSparse(), pattern, whole);
  }

  /** As the sparse form of the pattern would start. */
  private void startMasked(long seed, String name, float[] matrix) {
    float[] values = new float[Math.toIntExact(pattern().nonZeros())];
    PatternedMatrix.start(spec, pattern()).fill(seed, name + ".values", values);
    PatternCarry.scatter(backend.hostLoop(), values, pattern(), matrix);
  }

  /** To be called after each product that adds to the gradient. */
  void maskGradient() {
    if (!isDense()) {
      patterned.mask(trained().gradient());
    }
  }

  /** From now on the gradient of the whole matrix is summed, too, from zero. */
  void sumWholeGradient() {
    wholeGradient = backend.allocate(backend.floatType(), shape);
  }

  /**
   * The sum since {@link #sumWholeGradient}, of this {@link #shape}; null where nobody asks; given
   * back by {@link #dropWholeGradient}.
   */
  Tensor wholeGradient() {
    return wholeGradient;
  }

  void dropWholeGradient() {
    if (wholeGradient != null) {
      backend.free(wholeGradient);
      wholeGradient = null;
    }
  }

  /** Whether a file holds a pattern of this weight. */
  boolean hasPatternIn(Map<String, Shape> saved) {
    return new SavedPattern(spec, format, saved).exists();
  }

  /** Takes the form and shape that the weight has in a file; its pattern is read once loaded. */
  void fit(Map<String, Shape> saved) {
    SavedPattern file = new SavedPattern(spec, format, saved);
    if (file.exists()) {
      begin(file.standIn(), file.isSparse());
    } else if (!isDense()) {
      patterned.release();
      becomeDense();
    }
  }

  void loaded() {
    if (!isDense()) {
      patterned.readBuffers();
    }
  }

  public int in() {
    return spec.in();
  }

  public int out() {
    return spec.out();
  }

  public void parameters(Consumer<Parameter> sink) {
    sink.accept(trained());
  }

  public void buffers(Consumer<Buffer> sink) {
    if (!isDense()) {
      patterned.buffers(sink);
    }
  }

  public long parameterCount() {
    return trained().size();
  }

  public long activeParameterCount() {
    return isDense() ? dense.size() : pattern().nonZeros();
  }

  public String kind() {
    return isDense() ? "dense" : patterned.kind();
  }
}
