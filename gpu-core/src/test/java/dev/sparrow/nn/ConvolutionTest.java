package dev.sparrow.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.Oracle;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.config.Uniform;
import dev.sparrow.sparsity.uniform.UniformMethod;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConvolutionTest {
  private static final int OUT = 4;
  private final ReferenceBackend backend = new ReferenceBackend();
  private final Oracle oracle = new Oracle(backend, 31);

  private static ConvShape window(int kernel, int stride) {
    return new ConvShape(1, 5, 6, 3, kernel, stride, kernel / 2);
  }

  private static LinearSpec spec(ConvShape window) {
    return new LinearSpec("conv", window.patch(), OUT, 0.5);
  }

  private UniformMethod sparse() {
    return new UniformMethod(
        backend,
        new Uniform(
            Uniform.Schedule.STATIC,
            0.5,
            Uniform.Distribution.UNIFORM,
            Uniform.Format.UNIFORM,
            1,
            1,
            List.of("conv"),
            List.of(),
            0,
            0,
            1,
            0,
            0,
            Uniform.Products.SPARSE),
        10,
        4);
  }

  /** A dense weight that does not say so: it is given patches. */
  private record OfRows(DenseWeight dense) implements LinearWeight {
    @Override
    public int in() {
      return dense.in();
    }

    @Override
    public int out() {
      return dense.out();
    }

    @Override
    public void parameters(Consumer<Parameter> sink) {
      dense.parameters(sink);
    }

    @Override
    public void reserve(Workspace workspace, int rows) {
      dense.reserve(workspace, rows);
    }

    @Override
    public void forward(Tensor x, Tensor bias, Tensor residual, Tensor y) {
      dense.forward(x, bias, residual, y);
    }

    @Override
    public void activatedForward(Activation f, Tensor x, Tensor bias, Tensor h, Tensor y) {
      dense.activatedForward(f, x, bias, h, y);
    }

    @Override
    public void backward(Tensor x, Tensor dy, Tensor dbias, boolean accumulate, Tensor dx) {
      dense.backward(x, dy, dbias, accumulate, dx);
    }

    @Override
    public void activatedBackward(
        Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh) {
      dense.activatedBackward(f, h, x, dy, dbias, dh);
    }

    @Override
    public String kind() {
      return dense.kind();
    }

    @Override
    public long parameterCount() {
      return dense.parameterCount();
    }

    @Override
    public double forwardFlopsPerRow() {
      return dense.forwardFlopsPerRow();
    }
  }

  /** What one pass of a convolution leaves. */
  private record Results(double[] y, double[] dx, double[] dw) {}

  private Results pass(
      Convolution convolution, ParameterArena arena, ConvShape window, int samples) {
    ConvShape batch = window.withImages(samples);
    Oracle inputs = new Oracle(backend, 5);
    Tensor x = inputs.normal(batch.rows(), window.channels());
    Tensor dy = inputs.normal(batch.outRows(), OUT);
    Tensor dx = inputs.normal(batch.rows(), window.channels()); // added to
    Tensor y = inputs.poisoned(batch.outRows(), OUT);
    convolution.reserve(new Workspace(backend), samples);
    convolution.forward(x, new Pass(true, 1, 0, samples, 1, 1), y);
    convolution.backward(x, dy, true, dx);
    Tensor dw = arena.parameters().get(0).gradient();
    return new Results(backend.download(y), backend.download(dx), backend.download(dw));
  }

  /** Two images at a time of five: the last of them alone. */
  @ParameterizedTest
  @CsvSource({"3, 1", "3, 2", "1, 2", "1, 1"})
  void patchesOfSomeImagesMakeTheConvolutionOfAll(int kernel, int stride) {
    ConvShape window = window(kernel, stride);
    List<Results> passes = new ArrayList<>();
    for (boolean whole : new boolean[] {true, false}) {
      DenseWeight dense = new DenseWeight(backend, spec(window));
      LinearWeight weight = whole ? dense : new OfRows(dense);
      long numbers = 2L * window.outRows() * window.patch();
      Convolution convolution = new Convolution(backend, "conv", weight, window, numbers);
      ParameterArena arena = new ParameterArena(backend, List.of(dense.weight()));
      arena.initialize(7);
      passes.add(pass(convolution, arena, window, 5));
    }
    TensorAssert close =
        new TensorAssert("kernel %d, stride %d".formatted(kernel, stride), 1e-12, 1e-12);
    close.check("y", passes.get(0).y, passes.get(1).y);
    close.check("dx", passes.get(0).dx, passes.get(1).dx);
    close.check("dw", passes.get(0).dw, passes.get(1).dw);
  }

  /** The pattern's places hold the weights, the others are zero and get no gradient. */
  @ParameterizedTest
  @CsvSource({"3, 1", "3, 2", "1, 2", "1, 1"})
  void aUniformlySparseConvolutionEqualsTheMaskedDenseOne(int kernel, int stride) {
    ConvShape window = window(kernel, stride);
    UniformMethod method = sparse();
    LinearWeight weight = method.linearWeight(spec(window));
    method.modelBuilt();
    List<Parameter> values = new ArrayList<>();
    weight.parameters(values::add);
    ParameterArena arena = new ParameterArena(backend, values);
    arena.initialize(7);
    List<Buffer> pattern = new ArrayList<>();
    weight.buffers(pattern::add);
    int fanIn = window.patch() / 2 + window.patch() % 2;
    assertEquals(OUT * fanIn, arena.parameterCount(), "half of the numbers of a filter");
    Results sparse = pass(new Convolution(backend, "conv", weight, window), arena, window, 3);

    DenseWeight dense = new DenseWeight(backend, spec(window));
    ParameterArena whole = new ParameterArena(backend, List.of(dense.weight()));
    double[] kept = backend.download(values.get(0).value());
    int[] columns = new int[OUT * fanIn];
    backend.downloadSync(pattern.get(0).value(), columns, 0);
    float[] masked = new float[OUT * window.patch()];
    for (int i = 0; i < columns.length; i++) {
      masked[i / fanIn * window.patch() + columns[i]] = (float) kept[i];
    }
    backend.upload(masked, 0, dense.weight().value());
    Results reference = pass(new Convolution(backend, "conv", dense, window), whole, window, 3);
    TensorAssert close =
        new TensorAssert("kernel %d, stride %d".formatted(kernel, stride), 1e-6, 1e-6);
    close.check("y", reference.y, sparse.y);
    close.check("dx", reference.dx, sparse.dx);
    double[] sampled = new double[columns.length];
    for (int i = 0; i < columns.length; i++) {
      sampled[i] = reference.dw[i / fanIn * window.patch() + columns[i]];
    }
    close.check("dvalues", sampled, sparse.dw);
  }

  /** A block whose shortcut changes sizes, and one whose shortcut is its input. */
  @ParameterizedTest
  @CsvSource({"true", "false"})
  void gradientsOfAResidualBlockEqualCentralDifferences(boolean changes) {
    ConvShape first = window(3, changes ? 2 : 1);
    int out = changes ? OUT : first.channels();
    ConvShape second = new ConvShape(1, first.outHeight(), first.outWidth(), out, 3, 1, 1);
    ConvNorm inner = convNorm("conv1", first, out, true);
    ConvNorm outer = convNorm("conv2", second, out, true);
    ConvNorm shortcut = changes ? convNorm("shortcut", window(1, 2), out, false) : null;
    ResidualConvBlock block = new ResidualConvBlock(inner, outer, shortcut);
    List<Parameter> parameters = new ArrayList<>();
    block.parameters(parameters::add);
    ParameterArena arena = new ParameterArena(backend, parameters);
    arena.initialize(3);
    int samples = 2;
    block.reserve(new Workspace(backend), 3); // more than there are
    Tensor x = oracle.normal(first.withImages(samples).rows(), first.channels());
    Tensor r = oracle.normal(first.withImages(samples).outRows(), out);
    Tensor dy = backend.allocate(r.shape().toArray());
    backend.elementwise().copy(r, dy);
    Pass training = new Pass(true, 1, 0, samples, 1, 1);
    block.forward(x, training);
    Tensor dx = block.backward(dy);
    FiniteDifferences differences =
        new FiniteDifferences(() -> FiniteDifferences.dot(block.forward(x, training), r));
    differences.gradient("x", x, dx);
    parameters.forEach(p -> differences.gradient(p.name(), p.value(), p.gradient()));
    differences.samples(16, 2).check();
  }

  private ConvNorm convNorm(String name, ConvShape window, int out, boolean rectified) {
    LinearSpec spec = new LinearSpec(name, window.patch(), out, 0.5);
    Convolution convolution =
        new Convolution(backend, name, new DenseWeight(backend, spec), window);
    return new ConvNorm(backend, convolution, name + ".norm", window, rectified, false);
  }

  /** Fed the same batch again and again, the running statistics become the batch's. */
  @Test
  void evaluationTakesTheRunningStatistics() {
    BatchNorm norm = new BatchNorm(backend, "norm", 3);
    List<Parameter> parameters = new ArrayList<>();
    norm.parameters(parameters::add);
    new ParameterArena(backend, parameters).initialize(1);
    norm.reserve(new Workspace(backend));
    List<Buffer> buffers = new ArrayList<>();
    norm.buffers(buffers::add);
    assertEquals(
        List.of("norm.running_mean", "norm.running_var"),
        buffers.stream().map(Buffer::name).toList());
    assertTrue(buffers.stream().allMatch(Buffer::isAveraged));
    int rows = 400;
    Tensor x = oracle.normal(rows, 3);
    Tensor trained = oracle.poisoned(rows, 3);
    Tensor evaluated = oracle.poisoned(rows, 3);
    Pass inference = Pass.inference(1, rows);
    norm.forward(x, null, true, inference, evaluated);
    TensorAssert start = new TensorAssert("mean 0 and variance 1 at first", 1e-4, 1e-4);
    double[] rectified = backend.download(x);
    for (int i = 0; i < rectified.length; i++) {
      rectified[i] = Math.max(0, rectified[i]);
    }
    start.check("y", rectified, backend.download(evaluated));
    for (int i = 0; i < 200; i++) {
      norm.forward(x, null, true, new Pass(true, 1, 0, 1, rows, 1), trained);
    }
    norm.forward(x, null, true, inference, evaluated);
    // The biased variance of the batch is 1/400 below the unbiased one that runs.
    new TensorAssert("200 passes over one batch", 1e-6, 2e-3)
        .check("y", backend.download(trained), backend.download(evaluated));
  }

  @Test
  void aWeightOfOtherPatchesIsRefused() {
    DenseWeight weight = new DenseWeight(backend, new LinearSpec("conv", 26, OUT, 1));
    Exception wrong =
        assertThrows(
            IllegalArgumentException.class,
            () -> new Convolution(backend, "conv", weight, window(3, 1)));
    assertEquals("conv: expected a weight of 27 columns, got 26", wrong.getMessage());
  }
}
