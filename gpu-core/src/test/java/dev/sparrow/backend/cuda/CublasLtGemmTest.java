package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sparrow.backend.Bf16;
import dev.sparrow.backend.CudaSettings;
import dev.sparrow.backend.CudaSettings.CublasUse;
import dev.sparrow.backend.CudaSettings.NcclUse;
import dev.sparrow.backend.RandomValues;
import dev.sparrow.backend.Recording;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Products by cuBLASLt, as its stand-in has it: that the real one is called with the right numbers,
 * not that it is fast. Inputs are bf16 values, so that products are exact and sums differ from the
 * double oracle by fp32's roundings, and by one to bf16 where the result is.
 */
class CublasLtGemmTest {
  private static final long SEED = 31;

  private CudaBackend backend;

  @BeforeEach
  void open() {
    StandIns.assumeCublasLt();
    backend = open(CublasUse.ON);
  }

  @AfterEach
  void close() {
    if (backend != null) {
      StandIns.refuseProducts(false);
      StandIns.delayProducts(0);
      backend.close();
    }
  }

  private static CudaBackend open(CublasUse use) {
    return TestGpu.open(0, new CudaSettings(use, true, NcclUse.OFF));
  }

  /** A matrix on the device with its values. */
  private record Matrix(Tensor tensor, float[] values, int columns) {
    double at(int row, int column) {
      return values[row * columns + column];
    }
  }

  /**
   * Random values.
   *
   * @param skip elements between the start of memory and the matrix
   */
  private Matrix matrix(RandomValues random, DType type, int rows, int columns, int skip) {
    float[] values = random.normal(rows * columns);
    for (int i = 0; i < values.length; i++) {
      values[i] = type == DType.BF16 ? Bf16.round(values[i]) : values[i];
    }
    Tensor memory = backend.allocate(type, Shape.of(skip + rows * columns));
    Tensor tensor = new Tensor(memory.storage(), skip, Shape.of(rows, columns));
    backend.upload(values, 0, tensor);
    return new Matrix(tensor, values, columns);
  }

  private interface Oracle {
    double at(int row, int column);
  }

  private void check(String what, Matrix c, int depth, Oracle oracle) {
    float[] got = new float[c.values.length];
    backend.downloadSync(c.tensor, got, 0);
    double rounding = c.tensor.dtype() == DType.BF16 ? 1.0 / 256 : 1e-6;
    for (int i = 0; i < got.length; i++) {
      double expected = oracle.at(i / c.columns, i % c.columns);
      double tolerance = 1e-6 * depth + rounding * Math.abs(expected);
      assertTrue(
          Math.abs(got[i] - expected) <= tolerance,
          "%s, seed %d: at %d expected %g, got %g".formatted(what, SEED, i, expected, got[i]));
    }
  }

  private static double dot(int depth, Oracle term) {
    double sum = 0;
    for (int i = 0; i < depth; i++) {
      sum += term.at(i, 0);
    }
    return sum;
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 0",
    "3, 5, 7, 1",
    "65, 63, 64, 0",
    "33, 130, 17, 3",
    "24, 1100, 40, 8",
    "128, 64, 192, 0"
  })
  void allFormsEqualTheOracle(int rows, int in, int out, int skip) {
    RandomValues random = new RandomValues(SEED);
    Matrix x = matrix(random, DType.BF16, rows, in, skip);
    Matrix w = matrix(random, DType.BF16, out, in, 2 * skip); // other alignments than x has
    Matrix dy = matrix(random, DType.BF16, rows, out, 4 * skip);
    Matrix bias = matrix(random, DType.BF16, 1, out, skip);
    Matrix y = matrix(random, DType.BF16, rows, out, skip);
    Matrix added = matrix(random, DType.BF16, rows, out, skip);
    Matrix carried = matrix(random, DType.BF16, rows, out, skip);
    Matrix both = matrix(random, DType.BF16, rows, out, skip);
    Matrix dx = matrix(random, DType.BF16, rows, in, skip);
    Matrix dxAdded = matrix(random, DType.BF16, rows, in, skip);
    Matrix dw = matrix(random, DType.F32, out, in, skip);
    long before = StandIns.products();

    backend.matmul().forward(x.tensor, w.tensor, null, null, y.tensor);
    backend.matmul().forward(x.tensor, w.tensor, null, added.tensor, added.tensor);
    backend.matmul().forward(x.tensor, w.tensor, bias.tensor, carried.tensor, both.tensor);
    backend.matmul().backwardInput(dy.tensor, w.tensor, false, dx.tensor);
    backend.matmul().backwardInput(dy.tensor, w.tensor, true, dxAdded.tensor);
    backend.matmul().backwardWeight(dy.tensor, x.tensor, dw.tensor, null);

    Oracle xw = (r, c) -> dot(in, (i, z) -> x.at(r, i) * w.at(c, i));
    Oracle dyw = (r, c) -> dot(out, (i, z) -> dy.at(r, i) * w.at(i, c));
    check("y", y, in, xw);
    check("y added", added, in, (r, c) -> xw.at(r, c) + added.at(r, c));
    check(
        "y with bias and residual",
        both,
        in,
        (r, c) -> xw.at(r, c) + carried.at(r, c) + bias.at(0, c));
    check("dx", dx, out, dyw);
    check("dx added", dxAdded, out, (r, c) -> dyw.at(r, c) + dxAdded.at(r, c));
    check("dw", dw, rows, (r, c) -> dw.at(r, c) + dot(rows, (i, z) -> dy.at(i, r) * x.at(i, c)));
    assertEquals(6, StandIns.products() - before);
  }

  /** Plans are kept by shape and alignment; the bias' address is a call's own. */
  @Test
  void aPlanServesOtherTensors() {
    RandomValues random = new RandomValues(SEED);
    for (int layer = 0; layer < 3; layer++) {
      Matrix x = matrix(random, DType.BF16, 9, 16, 0);
      Matrix w = matrix(random, DType.BF16, 8, 16, 0);
      Matrix bias = matrix(random, DType.BF16, 1, 8, 0);
      Matrix y = matrix(random, DType.BF16, 9, 8, 0);
      backend.matmul().forward(x.tensor, w.tensor, bias.tensor, null, y.tensor);
      check(
          "layer " + layer,
          y,
          16,
          (r, c) -> bias.at(0, c) + dot(16, (i, z) -> x.at(r, i) * w.at(c, i)));
    }
  }

  @Test
  void whatItHasNoAlgorithmForGoesToTheKernels() {
    RandomValues random = new RandomValues(SEED);
    StandIns.refuseProducts(true);
    long before = StandIns.products();
    Matrix x = matrix(random, DType.BF16, 9, 16, 0);
    Matrix w = matrix(random, DType.BF16, 8, 16, 0);
    Matrix y = matrix(random, DType.BF16, 9, 8, 0);
    backend.matmul().forward(x.tensor, w.tensor, null, null, y.tensor);
    check("y", y, 16, (r, c) -> dot(16, (i, z) -> x.at(r, i) * w.at(c, i)));
    assertEquals(before, StandIns.products());
  }

  @Test
  void groupedProductsAndThoseOfARouterAreNotForIt() {
    RandomValues random = new RandomValues(SEED);
    long before = StandIns.products();
    Matrix x = matrix(random, DType.BF16, 8, 16, 0);
    Matrix router = matrix(random, DType.F32, 4, 16, 0);
    Matrix scores = matrix(random, DType.F32, 8, 4, 0);
    backend.matmul().forward(x.tensor, router.tensor, null, null, scores.tensor);
    check("scores", scores, 16, (r, c) -> dot(16, (i, z) -> x.at(r, i) * router.at(c, i)));

    Matrix experts = matrix(random, DType.BF16, 2 * 8, 16, 0);
    Matrix y = matrix(random, DType.BF16, 8, 8, 0);
    Tensor offsets = backend.allocate(DType.I32, Shape.of(3));
    backend.upload(new int[] {0, 3, 8}, 0, offsets);
    Tensor w = new Tensor(experts.tensor.storage(), 0, Shape.of(2, 8, 16));
    backend.matmul().groupedForward(x.tensor, w, offsets, y.tensor);
    check("y", y, 16, (r, c) -> dot(16, (i, z) -> x.at(r, i) * experts.at((r < 3 ? 0 : 8) + c, i)));
    assertEquals(before, StandIns.products());
  }

  /** A graph holds the product as it was when captured, and the workspace stays where it is. */
  @Test
  void recordedProductsAreReplayed() {
    RandomValues random = new RandomValues(SEED);
    Matrix x = matrix(random, DType.BF16, 5, 600, 0);
    Matrix w = matrix(random, DType.BF16, 8, 600, 0);
    Matrix bias = matrix(random, DType.BF16, 1, 8, 0);
    Matrix y = matrix(random, DType.BF16, 5, 8, 0);
    Recording recording =
        backend.record(
            "product",
            token -> backend.matmul().forward(x.tensor, w.tensor, bias.tensor, null, y.tensor));
    long before = StandIns.products();
    for (int run = 0; run < 5; run++) {
      float[] next = random.normal(x.values.length);
      for (int i = 0; i < next.length; i++) {
        x.values[i] = Bf16.round(next[i]);
      }
      backend.upload(x.values, 0, x.tensor);
      recording.run(0);
      check(
          "run " + run,
          y,
          600,
          (r, c) -> bias.at(0, c) + dot(600, (i, z) -> x.at(r, i) * w.at(c, i)));
    }
    assertEquals(2, StandIns.products() - before, "once as it is, once captured");
  }

  @Test
  void aNewShapeIsRefusedWhileRecording() {
    RandomValues random = new RandomValues(SEED);
    Matrix x = matrix(random, DType.BF16, 8, 16, 0);
    Matrix w = matrix(random, DType.BF16, 8, 16, 0);
    Matrix y = matrix(random, DType.BF16, 8, 8, 0);
    int[] rows = {4};
    Recording recording =
        backend.record(
            "product",
            token ->
                backend
                    .matmul()
                    .forward(
                        x.tensor.slice(0, rows[0]), w.tensor, null, null, y.tensor.first(rows[0])));
    recording.run(0);
    rows[0] = 5;
    String message = assertThrows(IllegalStateException.class, () -> recording.run(0)).getMessage();
    assertTrue(message.contains("other shapes"), message);
  }

  @Test
  void settingsDecide() {
    assertTrue(
        backend.description().endsWith("cuBLASLt 13.1.0 for dense products, mma.sync kernels"),
        backend.description());
    backend.close();
    backend = open(CublasUse.OFF);
    assertTrue(backend.description().endsWith("accumulation, mma.sync kernels"));
    long before = StandIns.products();
    checkedProduct(16, 16, 0);
    assertEquals(before, StandIns.products());
    backend.close();
    backend = TestGpu.open(0, new CudaSettings(CublasUse.AUTO, false, NcclUse.OFF));
    assertTrue(backend.description().contains("cuBLASLt"), backend.description());
    int[] calls = {0};
    Recording recording = backend.record("counted", token -> calls[0] += (int) token);
    for (int run = 0; run < 4; run++) {
      recording.run(10);
    }
    assertEquals(40, calls[0], "without graphs the work is called each time");
  }

  /** y = x·wᵀ, checked; answers how many products of cuBLASLt that took. */
  private long checkedProduct(int depth, int width, int skip) {
    RandomValues random = new RandomValues(SEED);
    Matrix x = matrix(random, DType.BF16, 8, depth, skip);
    Matrix w = matrix(random, DType.BF16, width, depth, skip);
    Matrix y = matrix(random, DType.BF16, 8, width, skip);
    long before = StandIns.products();
    backend.matmul().forward(x.tensor, w.tensor, null, y.tensor, y.tensor);
    check("y", y, depth, (r, c) -> y.at(r, c) + dot(depth, (i, z) -> x.at(r, i) * w.at(c, i)));
    return StandIns.products() - before;
  }

  /** The emulated kernels take some milliseconds, a delayed product of the library hundreds. */
  @Test
  void theFasterIsChosenOnceAndTheResultIsAsOfOneCall() {
    backend.close();
    backend = open(CublasUse.TIMED);
    StandIns.delayProducts(300);
    assertEquals(6, checkedProduct(16, 16, 0), "tried, and found slower");
    assertEquals(0, checkedProduct(16, 16, 0), "not tried again");

    StandIns.delayProducts(0);
    assertEquals(7, checkedProduct(512, 64, 0), "tried, found faster, and called");
    assertEquals(1, checkedProduct(512, 64, 0));
    assertEquals(1, checkedProduct(15, 16, 1), "the kernels have no tensor cores for it");
  }

  @Test
  void aTimedProductIsRecordedAndReplayed() {
    backend.close();
    backend = open(CublasUse.TIMED);
    RandomValues random = new RandomValues(SEED);
    Matrix x = matrix(random, DType.BF16, 8, 16, 0);
    Matrix w = matrix(random, DType.BF16, 8, 16, 0);
    Matrix y = matrix(random, DType.BF16, 8, 8, 0);
    Recording recording =
        backend.record(
            "product", token -> backend.matmul().forward(x.tensor, w.tensor, null, null, y.tensor));
    for (int run = 0; run < 3; run++) {
      recording.run(0);
      check("y", y, 16, (r, c) -> dot(16, (i, z) -> x.at(r, i) * w.at(c, i)));
    }
  }

  @Test
  void anErrorNamesCallVersionStatusAndProduct() {
    checkedProduct(16, 24, 0);
    StandIns.failProduct(13);
    CublasException error = assertThrows(CublasException.class, () -> checkedProduct(16, 24, 0));
    assertEquals(
        "cublasLtMatmul of cuBLASLt 13.1.0 failed with 13 CUBLAS_STATUS_EXECUTION_FAILED:"
            + " nt m 8, n 24, k 16, +=, aligned to 256, 256, 256 bytes",
        error.getMessage());
    checkedProduct(16, 24, 0);
  }

  @Test
  void withoutTheLibrariesTheBackendHasItsOwnWaysUnlessTheyAreDemanded() throws Exception {
    assumeTrue(
        GpuPresence.outputOfJvm(InstalledLibraries.class, Map.of()).isEmpty(),
        "libraries of NVIDIA's are installed here, which are not for an emulated driver");
    List<String> lines = GpuPresence.outputOfJvm(WithoutLibraries.class, Map.of()).lines().toList();
    assertTrue(lines.get(0).endsWith("accumulation, mma.sync kernels, joins: false"), lines.get(0));
    assertEquals(
        "train.cuda.cublas=on: cuBLASLt is not found (looked for libcublasLt.so.13,"
            + " libcublasLt.so.12, libcublasLt.so); install that of a CUDA version from 12 on that"
            + " the driver serves and put its folder on LD_LIBRARY_PATH, or do without by"
            + " train.cuda.cublas=off",
        lines.get(1));
    assertEquals(
        "train.cuda.nccl=on: NCCL is not found (looked for libnccl.so.2); install a later one for"
            + " the driver's CUDA version and put its folder on LD_LIBRARY_PATH, or let tensors go"
            + " through the host by train.cuda.nccl=off",
        lines.get(2));
  }

  /** Prints the libraries that the loader finds. */
  static final class InstalledLibraries {
    public static void main(String[] args) {
      Stream.concat(CublasLt.NAMES.stream(), Stream.of(Nccl.NAME))
          .filter(name -> CudaLibraries.load(name) != null)
          .forEach(System.out::println);
    }
  }

  /** Opens the backend where the loader finds neither cuBLASLt nor NCCL. */
  static final class WithoutLibraries {
    public static void main(String[] args) {
      try (CudaBackend backend = TestGpu.open(0, CudaSettings.DEFAULT)) {
        System.out.println(backend.description() + ", joins: " + (backend.groups() != null));
      }
      refused(new CudaSettings(CublasUse.ON, true, NcclUse.OFF));
      refused(new CudaSettings(CublasUse.OFF, true, NcclUse.ON));
    }

    private static void refused(CudaSettings settings) {
      CudaUnavailableException refusal =
          assertThrows(CudaUnavailableException.class, () -> TestGpu.open(0, settings).close());
      System.out.println(refusal.getMessage());
    }
  }
}
