package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.ModelChange.Replacement;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A matrix that is dense at first, or sparse from the start, and whose pattern the method changes
 * between steps. For a step that grows connections it also sums the gradient of the whole matrix.
 */
final class SparsifiedWeight implements LinearWeight {
  private final Backend backend;
  private final LinearSpec spec;
  private final PatternFormat format;
  private DenseWeight dense; // null once sparse
  private UniformSparseWeight sparse; // null while dense
  private Tensor wholeGradient; // (out, in) in the float type, or null where nobody asks

  /** Dense. */
  SparsifiedWeight(Backend backend, LinearSpec spec, PatternFormat format) {
    this.backend = backend;
    this.spec = spec;
    this.format = format;
    this.dense = new DenseWeight(backend, spec);
  }

  LinearSpec spec() {
    return spec;
  }

  PatternFormat format() {
    return format;
  }

  boolean isDense() {
    return dense != null;
  }

  /** Of a sparse weight. */
  UniformPattern pattern() {
    return sparse.pattern();
  }

  /** What the optimizer updates: the matrix, or its non-zeros. */
  Parameter trained() {
    return isDense() ? dense.weight() : sparse.values();
  }

  /** Starts with a pattern, before there are weights. */
  void begin(UniformPattern pattern) {
    dense = null;
    sparse = new UniformSparseWeight(backend, spec, format, pattern);
  }

  /** Takes a pattern and tells how weights and optimizer state follow; new non-zeros are zero. */
  Replacement change(UniformPattern next) {
    Parameter before = trained();
    int[] sources = isDense() ? next.places() : sourcesInValues(pattern(), next);
    if (isDense()) {
      begin(next);
    } else {
      sparse.replace(next);
    }
    return new Replacement(
        before, List.of(trained()), (values, moments) -> List.of(gather(values, sources)));
  }

  /** For each value of the next pattern its place in the last one's, or -1. */
  private static int[] sourcesInValues(UniformPattern last, UniformPattern next) {
    int[] lastLive = new int[last.rows()];
    Arrays.fill(lastLive, -1);
    for (int live = 0; live < last.liveRows(); live++) {
      lastLive[last.row(live)] = live;
    }
    int[] sources = new int[Math.toIntExact(next.nonZeros())];
    for (int live = 0, at = 0; live < next.liveRows(); live++) {
      int old = lastLive[next.row(live)];
      int start = old < 0 ? 0 : last.start(old);
      for (int i = 0; i < next.fanIn(); i++, at++) {
        int column = next.indices()[next.start(live) + i];
        int found =
            old < 0 ? -1 : Arrays.binarySearch(last.indices(), start, start + last.fanIn(), column);
        sources[at] = found < 0 ? -1 : old * last.fanIn() + found - start;
      }
    }
    return sources;
  }

  private static float[] gather(float[] values, int[] sources) {
    float[] gathered = new float[sources.length];
    for (int i = 0; i < sources.length; i++) {
      gathered[i] = sources[i] < 0 ? 0 : values[sources[i]];
    }
    return gathered;
  }

  /** From now on the gradient of the whole matrix is summed, too, from zero. */
  void sumWholeGradient() {
    wholeGradient = backend.allocate(spec.out(), spec.in());
  }

  /**
   * The sum since {@link #sumWholeGradient}, (out, in); given back by {@link #dropWholeGradient}.
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
  boolean isSparseIn(Map<String, Shape> saved) {
    return saved.containsKey(columnsName());
  }

  private String columnsName() {
    return spec.name() + ".weight.columns";
  }

  /** Takes the form and shape that the weight has in a file; its pattern is read once loaded. */
  void fit(Map<String, Shape> saved) {
    if (!isSparseIn(saved)) {
      if (sparse != null) {
        sparse.release();
        sparse = null;
        dense = new DenseWeight(backend, spec);
      }
      return;
    }
    Shape columns = saved.get(columnsName());
    requireFits(columns);
    UniformPattern stand = standIn(columns.dim(0), columns.dim(1));
    if (isDense()) {
      begin(stand);
    } else {
      sparse.replace(stand);
    }
  }

  private void requireFits(Shape columns) {
    boolean fits =
        columns.rank() == 2
            && columns.dim(0) <= format.groups()
            && columns.dim(1) <= format.columns()
            && columns.dim(1) % format.banks() == 0;
    if (!fits) {
      throw new IllegalArgumentException(
          "%s.weight.columns: expected a saved pattern of at most %d groups by %d columns, equally many in each of %d banks, got %s; set uniform.format, uniform.group-rows and uniform.bank-columns as they were when it was saved"
              .formatted(spec.name(), format.groups(), format.columns(), format.banks(), columns));
    }
  }

  private UniformPattern standIn(int liveGroups, int fanIn) {
    int perBank = fanIn / format.banks();
    int[] indices = new int[liveGroups * fanIn];
    for (int i = 0; i < indices.length; i++) {
      int inGroup = i % fanIn;
      indices[i] = inGroup / perBank * format.bankColumns() + inGroup % perBank;
    }
    return format.pattern(fanIn, UniformPattern.allGroups(liveGroups), indices);
  }

  void loaded() {
    if (!isDense()) {
      sparse.readBuffers();
    }
  }

  private LinearWeight current() {
    return isDense() ? dense : sparse;
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
    current().parameters(sink);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    current().buffers(sink);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    current().reserve(workspace, rows);
  }

  @Override
  public void forward(Tensor x, Tensor bias, Tensor residual, Tensor y) {
    current().forward(x, bias, residual, y);
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor bias, Tensor h, Tensor y) {
    current().activatedForward(f, x, bias, h, y);
  }

  @Override
  public void backward(Tensor x, Tensor dy, Tensor dbias, boolean accumulate, Tensor dx) {
    addWholeGradient(x, dy);
    current().backward(x, dy, dbias, accumulate, dx);
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh) {
    addWholeGradient(x, dy);
    current().activatedBackward(f, h, x, dy, dbias, dh);
  }

  private void addWholeGradient(Tensor x, Tensor dy) {
    if (wholeGradient != null) {
      backend.matmul().backwardWeight(dy, x, wholeGradient, null);
    }
  }

  @Override
  public String kind() {
    return current().kind();
  }

  @Override
  public long parameterCount() {
    return current().parameterCount();
  }

  @Override
  public double forwardFlopsPerRow() {
    return current().forwardFlopsPerRow();
  }
}
