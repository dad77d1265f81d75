package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.CudaSettings;
import dev.sparrow.backend.CudaSettings.CublasUse;
import dev.sparrow.backend.CudaSettings.NcclUse;
import dev.sparrow.backend.CudaSettings.SparseUse;
import dev.sparrow.backend.Recording;
import dev.sparrow.backend.SparsePattern;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Who makes which sparse product; that all are right, the backend's contract tells. */
class SparseEnginesTest {
  private static CudaBackend open(SparseUse use) {
    return TestGpu.open(0, new CudaSettings(CublasUse.OFF, true, NcclUse.OFF, use));
  }

  /** The first columns of each bank of 64. */
  private static UniformPattern pattern(int rows, int columns, int perBank, int groupRows) {
    int banks = columns / 64;
    int[] live = UniformPattern.allGroups(rows / groupRows);
    int[] indices = new int[live.length * banks * perBank];
    for (int i = 0; i < indices.length; i++) {
      indices[i] = i / perBank % banks * 64 + i % perBank;
    }
    return new UniformPattern(rows, columns, banks * perBank, groupRows, 64, live, indices);
  }

  private static void check(
      SparseUse use, UniformPattern pattern, String forward, String input, String weight) {
    try (CudaBackend backend = open(use);
        SparsePattern loaded = backend.sparse().load(pattern)) {
      SparseEngines engines = ((CudaSparsePattern) loaded).engines();
      assertEquals(forward, description(engines.forward()));
      assertEquals(input, description(engines.backwardInput()));
      assertEquals(weight, description(engines.backwardWeight()));
    }
  }

  private static String description(GemmEngine engine) {
    return engine == null ? null : engine.description();
  }

  @Test
  void theFormatChoosesTheKernels() {
    String rows = "rows on CUDA cores";
    String fours = "fours of rows on CUDA cores";
    for (int groupRows : new int[] {1, 2, 6}) {
      check(SparseUse.KERNELS, pattern(192, 64, 30, groupRows), rows, rows, rows);
    }
    for (int groupRows : new int[] {4, 12}) {
      check(SparseUse.KERNELS, pattern(192, 64, 30, groupRows), fours, rows, fours);
    }
    for (int groupRows : new int[] {8, 16, 48}) {
      String lists = "lists of " + (groupRows == 8 ? 8 : 16) + " rows on tensor cores";
      String groups = "groups of " + groupRows + " rows on tensor cores";
      check(SparseUse.KERNELS, pattern(192, 64, 30, groupRows), lists, lists, groups);
    }
    String lists = "lists of 64 rows on tensor cores";
    String groups = "groups of 64 rows on tensor cores";
    String hopper = "groups of 64 rows on wgmma";
    boolean has = hasWgmma();
    check(
        SparseUse.KERNELS,
        pattern(192, 64, 30, 64),
        has ? hopper : groups,
        has ? "lists of 64 rows on wgmma" : lists,
        groups);
  }

  private static boolean hasWgmma() {
    try (CudaBackend backend = open(SparseUse.AUTO)) {
      return TestGpu.emulated() || backend.description().contains("sm_90");
    }
  }

  @Test
  void denseProductsDoWhereTheyAreExpectedToBeFaster() {
    check(SparseUse.AUTO, pattern(64, 128, 1, 1), null, null, null); // 1.6 %
    check(SparseUse.AUTO, pattern(64, 128, 1, 4), null, null, null);
    check(SparseUse.AUTO, pattern(64, 128, 32, 64), null, null, null); // a half
    String sixteen = "groups of 16 rows on tensor cores";
    check(SparseUse.AUTO, pattern(64, 128, 4, 16), null, null, sixteen); // 6.3 %
    check(SparseUse.DENSE, pattern(64, 128, 2, 64), null, null, null);
  }

  @Test
  void groupsOf64RowsAreMultipliedByWhatTheGpuHas() {
    String tensorCores = "groups of 64 rows on tensor cores";
    String hopper = hasWgmma() ? "groups of 64 rows on wgmma" : tensorCores;
    UniformPattern pattern = pattern(64, 128, 6, 64); // 9.4 %
    check(SparseUse.AUTO, pattern, hopper, null, tensorCores);
    check(SparseUse.MMA, pattern, tensorCores, null, tensorCores);
    UniformPattern quarter = pattern(64, 128, 16, 64);
    check(SparseUse.AUTO, quarter, hasWgmma() ? hopper : null, null, null);
    check(SparseUse.MMA, quarter, null, null, null);
  }

  /** Sums of small integers are exact, in whatever order. Batches choose each of the tiles. */
  @Test
  void wgmmaGivesWhatMmaSyncGives() {
    int[][] sizes = {
      {256, 9, 64, 128}, {192, 300, 64, 128}, {64, 70, 64, 704}, {256, 37, 128, 128}
    };
    for (int[] size : sizes) {
      UniformPattern pattern = pattern(size[0], size[3], 6, size[2]);
      String what = size[0] + " rows, batch " + size[1];
      assertArrayEquals(
          products(SparseUse.MMA, pattern, size[1]),
          products(SparseUse.KERNELS, pattern, size[1]),
          what);
    }
  }

  /** y and, of another dy, dx. */
  private static float[] products(SparseUse use, UniformPattern pattern, int batch) {
    try (CudaBackend backend = open(use);
        SparsePattern loaded = backend.sparse().load(pattern)) {
      Random random = new Random(batch);
      Tensor x = backend.allocate(DType.BF16, Shape.of(batch, pattern.columns()));
      Tensor dy = backend.allocate(DType.BF16, Shape.of(batch, pattern.rows()));
      Tensor values = backend.allocate(DType.BF16, Shape.of(pattern.liveRows(), pattern.fanIn()));
      Tensor y = backend.allocate(DType.BF16, dy.shape());
      Tensor dx = backend.allocate(DType.BF16, x.shape());
      fill(backend, random, x);
      fill(backend, random, dy);
      fill(backend, random, values);
      backend.sparse().forward(x, values, loaded, null, null, y);
      backend.sparse().backwardInput(dy, values, loaded, false, dx);
      return results(backend, y, dx);
    }
  }

  /** Their loads and stores are wide; the dense product has a kernel for what starts elsewhere. */
  @Test
  void aResultOffItsBoundaryIsLeftToTheDenseProduct() {
    try (CudaBackend backend = open(SparseUse.KERNELS);
        SparsePattern loaded = backend.sparse().load(pattern(64, 64, 5, 16))) {
      GemmEngine forward = ((CudaSparsePattern) loaded).engines().forward();
      Tensor x = backend.allocate(DType.BF16, Shape.of(3, 64));
      Tensor values = backend.allocate(DType.BF16, Shape.of(64, 5));
      Tensor y = backend.allocate(DType.BF16, Shape.of(4 * 64));
      assertTrue(forward.fits(call(x, values, new Tensor(y.storage(), 0, Shape.of(3, 64)))));
      assertFalse(forward.fits(call(x, values, new Tensor(y.storage(), 1, Shape.of(3, 64)))));
    }
  }

  private static GemmCall call(Tensor x, Tensor values, Tensor y) {
    return new GemmCall().sparse(Form.NT, x, values, y, 3, 64, 5);
  }

  @Test
  void recordedProductsAreReplayed() {
    for (int groupRows : new int[] {1, 4, 8, 64}) {
      UniformPattern pattern = pattern(64, 128, 7, groupRows);
      try (CudaBackend backend = open(SparseUse.KERNELS);
          SparsePattern loaded = backend.sparse().load(pattern)) {
        assertNotNull(((CudaSparsePattern) loaded).engines().backwardInput());
        Random random = new Random(groupRows);
        Tensor x = backend.allocate(DType.BF16, Shape.of(9, 128));
        Tensor values = backend.allocate(DType.BF16, Shape.of(64, 14));
        Tensor y = backend.allocate(DType.BF16, Shape.of(9, 64));
        Tensor dx = backend.allocate(DType.BF16, Shape.of(9, 128));
        Tensor dvalues = backend.allocate(DType.F32, Shape.of(64, 14));
        Runnable products =
            () -> {
              backend.sparse().forward(x, values, loaded, null, null, y);
              backend.sparse().backwardInput(y, values, loaded, false, dx);
              backend.elementwise().fill(dvalues, 0);
              backend.sparse().backwardWeight(y, x, loaded, dvalues, null);
            };
        Recording recording = backend.record("products", token -> products.run());
        fill(backend, random, values);
        for (int run = 0; run < 4; run++) {
          fill(backend, random, x);
          recording.run(0);
          float[] replayed = results(backend, y, dx, dvalues);
          products.run();
          assertArrayEquals(results(backend, y, dx, dvalues), replayed, "run " + run);
        }
      }
    }
  }

  private static void fill(CudaBackend backend, Random random, Tensor tensor) {
    float[] host = new float[(int) tensor.size()];
    for (int i = 0; i < host.length; i++) {
      host[i] = random.nextInt(17) - 8;
    }
    backend.upload(host, 0, tensor);
  }

  private static float[] results(CudaBackend backend, Tensor... tensors) {
    int size = 0;
    for (Tensor tensor : tensors) {
      size += (int) tensor.size();
    }
    float[] host = new float[size];
    int at = 0;
    for (Tensor tensor : tensors) {
      backend.downloadSync(tensor, host, at);
      at += (int) tensor.size();
    }
    return host;
  }

  @Test
  void aPatternWithoutLiveRowsHasNone() {
    UniformPattern off = new UniformPattern(8, 64, 2, 1, 64, new int[0], new int[0]);
    try (CudaBackend backend = open(SparseUse.KERNELS);
        SparsePattern loaded = backend.sparse().load(off)) {
      assertNull(((CudaSparsePattern) loaded).engines().forward());
    }
  }
}
