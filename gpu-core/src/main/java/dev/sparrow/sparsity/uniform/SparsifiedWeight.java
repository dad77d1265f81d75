package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.sparsity.ModelChange.Replacement;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * A matrix, or those of all experts stacked, that is dense at first, or sparse from the start, and
 * whose pattern the method changes between steps. For a step that grows connections it also sums
 * the gradient of the whole matrix. How it multiplies is for those that extend it.
 */
abstract class SparsifiedWeight {
  private final Backend backend;
  private final LinearSpec spec;
  private final PatternFormat format;
  private Parameter dense; // null once sparse
  private UniformValues sparse; // null while dense
  private Shape wholeShape; // (out, in) or (matrices, out, in)
  private Tensor wholeGradient; // in the float type, or null where nobody asks

  /** Without a form: the class that extends it calls {@link #becomeDense}. */
  SparsifiedWeight(Backend backend, LinearSpec spec, PatternFormat format) {
    this.backend = backend;
    this.spec = spec;
    this.format = format;
  }

  /** Takes a dense form and tells its parameter, the whole matrix. */
  abstract Parameter useDense();

  /** Takes a sparse form over these values. */
  abstract void useSparse(UniformValues values);

  /** Brings a pattern to the device. */
  abstract SparsePattern load(UniformPattern pattern);

  final void becomeDense() {
    sparse = null;
    dense = useDense();
    wholeShape = dense.shape();
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

  boolean isDense() {
    return dense != null;
  }

  /** Of a sparse weight. */
  UniformPattern pattern() {
    return sparse.pattern();
  }

  /** What the optimizer updates: the matrix, or its non-zeros. */
  Parameter trained() {
    return isDense() ? dense : sparse.parameter();
  }

  /** Starts with a pattern, before there are weights. */
  void begin(UniformPattern pattern) {
    dense = null;
    sparse = new UniformValues(backend, spec, format, pattern, this::load);
    useSparse(sparse);
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
    wholeGradient = backend.allocate(backend.floatType(), wholeShape);
  }

  /**
   * The sum since {@link #sumWholeGradient}, shaped as the dense parameter; null where nobody asks;
   * given back by {@link #dropWholeGradient}.
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
        becomeDense();
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
}
