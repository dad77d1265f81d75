package dev.sparrow.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.BatchNormOps;
import dev.sparrow.backend.Bf16;
import dev.sparrow.backend.PatternLayout;
import dev.sparrow.backend.SparsePatterns;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelExportTest {
  private static final String WEIGHT = "blocks.0.up.weight";
  private static final ModelExport SPARSE_BF16 =
      new ModelExport(ModelExport.Form.SPARSE, DType.BF16);
  private static final ModelExport SPARSE_F32 = new ModelExport(ModelExport.Form.SPARSE, DType.F32);
  private static final ModelExport DENSE_F32 = new ModelExport(ModelExport.Form.DENSE, DType.F32);

  @TempDir Path directory;

  /** A model of one sparse weight and a bias, as a checkpoint holds it. */
  private static List<HostTensor> saved(UniformPattern pattern) {
    int[] groups = pattern.liveGroupNumbers();
    return List.of(
        HostTensor.of(
            WEIGHT + ".values",
            Shape.of(pattern.liveRows(), pattern.fanIn()),
            normal((int) pattern.nonZeros()),
            0),
        HostTensor.of("blocks.0.up.bias", Shape.of(3), normal(3), 0),
        HostTensor.of(
            WEIGHT + ".columns",
            Shape.of(groups.length, pattern.fanIn()),
            pattern.indices().clone(),
            0),
        HostTensor.of(WEIGHT + ".groups", Shape.of(groups.length), groups.clone(), 0));
  }

  private static float[] normal(int size) {
    Random random = new Random(5);
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static Map<String, PatternLayout> layout(UniformPattern pattern) {
    return Map.of(
        WEIGHT,
        new PatternLayout(
            Shape.of(pattern.rows(), pattern.columns()),
            pattern.groupRows(),
            pattern.bankColumns()));
  }

  private ModelFile write(ModelExport.Exported exported) throws IOException {
    return write(exported.metadata(), exported.tensors());
  }

  private ModelFile write(Map<String, String> metadata, List<HostTensor> tensors)
      throws IOException {
    Path file = directory.resolve("model.safetensors");
    try (OutputStream out = Files.newOutputStream(file)) {
      SafeTensorsWriter.write(out, metadata, tensors);
    }
    return new ModelFile(new LocalFileStore(), file.toString());
  }

  private static Map<String, HostTensor> byName(List<HostTensor> tensors) {
    Map<String, HostTensor> map = new HashMap<>();
    tensors.forEach(tensor -> map.put(tensor.name(), tensor));
    return map;
  }

  private static void assertSame(List<HostTensor> expected, List<HostTensor> got, boolean rounded) {
    Map<String, HostTensor> found = byName(got);
    assertEquals(byName(expected).keySet(), found.keySet());
    for (HostTensor tensor : expected) {
      HostTensor other = found.get(tensor.name());
      assertEquals(tensor.dtype(), other.dtype(), tensor.name());
      assertEquals(tensor.shape(), other.shape(), tensor.name());
      if (tensor.array() instanceof float[] values) {
        float[] wanted = values.clone();
        for (int i = 0; rounded && i < wanted.length; i++) {
          wanted[i] = Bf16.round(wanted[i]);
        }
        assertArrayEquals(wanted, (float[]) other.array(), tensor.name());
      } else {
        assertArrayEquals((int[]) tensor.array(), (int[]) other.array(), tensor.name());
      }
    }
  }

  /** The form that the size of a small file shows: bytes of the weight's tensors in its header. */
  private static long bytesOfWeight(ModelFile file) throws IOException {
    byte[] bytes = Files.readAllBytes(Path.of(file.path()));
    try (SafeTensorsReader reader =
        new SafeTensorsReader(new ByteArrayInputStream(bytes), bytes.length, "file")) {
      return reader.tensors().values().stream()
          .filter(info -> info.name().startsWith(WEIGHT))
          .mapToLong(info -> info.end() - info.start())
          .sum();
    }
  }

  /** rows, columns, non-zeros in a bank, rows of a group, columns of a bank, every n-th off. */
  @ParameterizedTest
  @CsvSource({
    "6, 20, 5, 1, 20, 0",
    "6, 20, 20, 1, 20, 0",
    "1, 1, 1, 1, 1, 0",
    "8, 384, 3, 1, 128, 0",
    "8, 768, 3, 1, 256, 3",
    "8, 514, 3, 1, 257, 0",
    "12, 300, 7, 4, 300, 0",
    "12, 300, 7, 4, 300, 2",
    "3, 65536, 9, 1, 65536, 0",
    "3, 65537, 9, 1, 65537, 2",
    "600, 10, 2, 1, 10, 7"
  })
  void aSparseFileHoldsTheSameModel(
      int rows, int columns, int perBank, int groupRows, int bankColumns, int offEvery)
      throws IOException {
    UniformPattern pattern =
        SparsePatterns.random(3, rows, columns, perBank, groupRows, bankColumns, offEvery);
    List<HostTensor> saved = saved(pattern);
    ModelFile exact = write(SPARSE_F32.of(saved, layout(pattern)));
    assertSame(saved, exact.tensors(), false);
    assertEquals(Map.of(WEIGHT, pattern), exact.patterns(layout(pattern)));
    Map<String, Shape> shapes = new HashMap<>();
    saved.forEach(tensor -> shapes.put(tensor.name(), tensor.shape()));
    assertEquals(shapes, exact.shapes().byName());
    ModelFile half = write(SPARSE_BF16.of(saved, layout(pattern)));
    assertSame(saved, half.tensors(), true);
    int width = bankColumns <= 256 ? 1 : bankColumns <= 65536 ? 2 : 4;
    int groupWidth = offEvery == 0 ? 0 : rows / groupRows <= 256 ? 1 : 2;
    assertEquals(
        2 * pattern.nonZeros()
            + (long) width * pattern.indices().length
            + (long) groupWidth * pattern.liveGroups(),
        bytesOfWeight(half));
  }

  /** Rows of a bank-uniform, a plain, and a shared layer of a usual size. */
  @ParameterizedTest
  @CsvSource({"512, 1, 512", "512, 1, 128", "512, 4, 512", "512, 16, 512", "1536, 1, 1536"})
  void sixteenBitFilesStayWithinTheirShareOfTheDenseBytes(
      int columns, int groupRows, int bankColumns) throws IOException {
    for (double sparsity : new double[] {0.5, 0.75, 0.9, 0.95}) {
      int perBank = (int) Math.round((1 - sparsity) * bankColumns);
      for (int offEvery : new int[] {0, 5}) {
        UniformPattern pattern =
            SparsePatterns.random(4, 64, columns, perBank, groupRows, bankColumns, offEvery);
        ModelExport.Exported exported = SPARSE_BF16.of(saved(pattern), layout(pattern));
        long bytes = bytesOfWeight(write(exported));
        double bound = (1 - pattern.sparsity()) * 2.1 * 64 * columns * 2;
        assertTrue(bytes <= bound, () -> sparsity + ": " + bytes + " bytes of at most " + bound);
        ModelExport.SparseWeight told = exported.sparse().get(0);
        assertEquals(bytes, told.bytes());
        assertEquals(64L * columns * 2, told.denseBytes());
      }
    }
  }

  @Test
  void aDenseFileHoldsTheWholeMatrixAndNoPattern() throws IOException {
    UniformPattern pattern = SparsePatterns.random(3, 12, 30, 4, 2, 10, 3);
    List<HostTensor> saved = saved(pattern);
    ModelFile file = write(DENSE_F32.of(saved, layout(pattern)));
    Map<String, HostTensor> tensors = byName(file.tensors());
    assertEquals(java.util.Set.of(WEIGHT, "blocks.0.up.bias"), tensors.keySet());
    assertEquals(Shape.of(12, 30), tensors.get(WEIGHT).shape());
    assertArrayEquals(matrix(pattern, saved), (float[]) tensors.get(WEIGHT).array());
    assertFalse(file.metadata().containsKey("sparrow.patterns"), "plain tensors to any reader");
    assertTrue(file.patterns(layout(pattern)).isEmpty());
  }

  /** The matrix, element by element. */
  private static float[] matrix(UniformPattern pattern, List<HostTensor> saved) {
    float[] values = (float[]) saved.get(0).array();
    float[] matrix = new float[pattern.rows() * pattern.columns()];
    for (int live = 0; live < pattern.liveRows(); live++) {
      for (int i = 0; i < pattern.fanIn(); i++) {
        int column = pattern.indices()[live / pattern.groupRows() * pattern.fanIn() + i];
        matrix[pattern.row(live) * pattern.columns() + column] = values[live * pattern.fanIn() + i];
      }
    }
    return matrix;
  }

  /** Experts share a pattern of all their rows; what is off the pattern does not count. */
  @Test
  void aWholeMatrixUnderAPatternIsWrittenAsItsNonZeros() throws IOException {
    UniformPattern pattern = SparsePatterns.random(3, 12, 30, 4, 1, 10, 0);
    Map<String, PatternLayout> layouts =
        Map.of(WEIGHT, new PatternLayout(Shape.of(3, 4, 30), 1, 10));
    List<HostTensor> sparse = saved(pattern);
    float[] matrix = matrix(pattern, sparse);
    for (int i = 0; i < matrix.length; i++) {
      matrix[i] = matrix[i] == 0 ? 99 : matrix[i];
    }
    HostTensor whole = HostTensor.of(WEIGHT, Shape.of(3, 4, 30), matrix, 0);
    List<HostTensor> masked = List.of(whole, sparse.get(1), sparse.get(2), sparse.get(3));
    assertSame(sparse, write(SPARSE_F32.of(masked, layouts)).tensors(), false);
    HostTensor dense = byName(DENSE_F32.of(masked, layouts).tensors()).get(WEIGHT);
    assertEquals(Shape.of(3, 4, 30), dense.shape());
    assertArrayEquals(matrix(pattern, sparse), (float[]) dense.array());
  }

  @Test
  void aSmallFileCanBeExportedAgain() throws IOException {
    UniformPattern pattern = SparsePatterns.random(3, 12, 30, 4, 2, 10, 3);
    List<HostTensor> saved = saved(pattern);
    ModelFile small = write(SPARSE_F32.of(saved, layout(pattern)));
    HostTensor dense = byName(DENSE_F32.of(small.tensors(), layout(pattern)).tensors()).get(WEIGHT);
    assertArrayEquals(matrix(pattern, saved), (float[]) dense.array());
  }

  @ParameterizedTest
  @CsvSource({"7, 7", "30, 30", "9, 8"})
  void columnsOutOfOrderOrRangeAreRefusedWithLayerAndValues(int first, int second)
      throws IOException {
    UniformPattern pattern = SparsePatterns.random(3, 6, 30, 2, 1, 30, 0);
    List<HostTensor> saved = saved(pattern);
    int[] columns = (int[]) saved.get(2).array();
    columns[4] = first;
    columns[5] = second;
    IllegalArgumentException atExport =
        assertThrows(IllegalArgumentException.class, () -> SPARSE_BF16.of(saved, layout(pattern)));
    assertTrue(atExport.getMessage().startsWith(WEIGHT + ": saved pattern"), atExport::getMessage);
    assertTrue(atExport.getMessage().contains("got " + (first == 30 ? 30 : second)));
    ModelFile file = write(Map.of(), saved);
    CheckpointException atRead =
        assertThrows(CheckpointException.class, () -> file.patterns(layout(pattern)));
    assertTrue(atRead.getMessage().contains(WEIGHT + ": saved pattern"), atRead::getMessage);
  }

  @Test
  void aColumnPastItsBankIsRefusedWhenASmallFileIsRead() throws IOException {
    UniformPattern pattern = SparsePatterns.random(3, 6, 30, 2, 1, 10, 0);
    ModelExport.Exported exported = SPARSE_BF16.of(saved(pattern), layout(pattern));
    ((int[]) byName(exported.tensors()).get(WEIGHT + ".columns").array())[3] = 10;
    CheckpointException error =
        assertThrows(CheckpointException.class, () -> write(exported).tensors());
    assertTrue(
        error.getMessage().contains(WEIGHT + ".columns: expected columns in [0, 10), got 10"),
        error::getMessage);
  }

  @Test
  void wrongTypesShapesAndVersionsAreRefused() throws IOException {
    UniformPattern pattern = SparsePatterns.random(3, 6, 30, 2, 1, 30, 0);
    List<HostTensor> saved = saved(pattern);
    HostTensor floats = HostTensor.of(WEIGHT + ".columns", Shape.of(6, 2), new float[12], 0);
    assertRefused(
        write(Map.of(), List.of(saved.get(0), floats, saved.get(3))),
        pattern,
        WEIGHT + ".columns: expected a tensor of integers, got F32");
    assertRefused(
        write(Map.of(), List.of(saved.get(0), saved.get(2))),
        pattern,
        WEIGHT + ".groups: expected a tensor of integers, got none");
    assertRefused(
        write(Map.of("sparrow.version", "2"), saved), pattern, "expected sparrow.version 1, got 2");
    assertRefused(
        write(Map.of("sparrow.patterns", "{\"a\":{\"matrix\":[4]}}"), saved),
        pattern,
        "metadata sparrow.patterns: expected layouts by weight");
    HostTensor narrow = HostTensor.of(WEIGHT + ".values", Shape.of(6, 1), new float[6], 0);
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> SPARSE_BF16.of(List.of(narrow, saved.get(2), saved.get(3)), layout(pattern)));
    assertEquals(WEIGHT + ".values: expected F32[6, 2], got F32[6, 1]", error.getMessage());
  }

  private static void assertRefused(ModelFile file, UniformPattern pattern, String words) {
    CheckpointException error =
        assertThrows(CheckpointException.class, () -> file.patterns(layout(pattern)));
    assertTrue(error.getMessage().startsWith(file.path() + ": "), error::getMessage);
    assertTrue(error.getMessage().contains(words), error::getMessage);
  }

  /** One matrix and a stack of two, ranks 2 and 1. */
  @Test
  void factorsAreKeptOrMultiplied() {
    List<HostTensor> saved =
        List.of(
            HostTensor.of("a.weight.v", Shape.of(2, 3), new float[] {1, 2, 3, 4, 5, 6}, 0),
            HostTensor.of("a.weight.u", Shape.of(2, 2), new float[] {1, 0, 2, 1}, 0),
            HostTensor.of("a.bias", Shape.of(2), new float[] {7, 8}, 0),
            HostTensor.of("e.weight.v", Shape.of(2, 1, 2), new float[] {1, 2, 3, 4}, 0),
            HostTensor.of("e.weight.u", Shape.of(2, 1, 1), new float[] {10, 100}, 0));
    ModelExport.Exported small = SPARSE_BF16.of(saved, Map.of());
    assertEquals(
        List.of("a.weight.v", "a.weight.u", "a.bias", "e.weight.v", "e.weight.u"),
        small.tensors().stream().map(HostTensor::name).toList());
    assertEquals(
        List.of(
            new ModelExport.LowRankWeight("a.weight", Shape.of(2, 3), 2, 20),
            new ModelExport.LowRankWeight("e.weight", Shape.of(2, 1, 2), 1, 12)),
        small.lowRank());
    assertEquals(12, small.lowRank().get(0).denseBytes());
    assertEquals(2, small.otherElements());
    ModelExport.Exported whole = DENSE_F32.of(saved, Map.of());
    assertEquals(
        List.of("a.weight", "a.bias", "e.weight"),
        whole.tensors().stream().map(HostTensor::name).toList());
    assertArrayEquals(new float[] {1, 2, 3, 6, 9, 12}, (float[]) whole.tensors().get(0).array());
    assertEquals(Shape.of(2, 1, 2), whole.tensors().get(2).shape());
    assertArrayEquals(new float[] {10, 20, 300, 400}, (float[]) whole.tensors().get(2).array());
  }

  /** Of two channels between the factors: s = 2 and 0.5, b = 1 and 3. */
  private static List<HostTensor> normalised(String following) {
    float variance = (float) (1 - BatchNormOps.EPSILON);
    float wide = (float) (16 - BatchNormOps.EPSILON);
    return List.of(
        HostTensor.of("a.conv1.weight.v", Shape.of(2, 3), new float[] {1, 2, 3, 4, 5, 6}, 0),
        HostTensor.of("a.conv1.weight.norm.weight", Shape.of(2), new float[] {2, 2}, 0),
        HostTensor.of("a.conv1.weight.norm.bias", Shape.of(2), new float[] {11, 4}, 0),
        HostTensor.of("a.conv1.weight.u", Shape.of(2, 2), new float[] {1, 0, 2, 1}, 0),
        HostTensor.of(following + ".running_mean", Shape.of(2), new float[] {100, 200}, 0),
        HostTensor.of("a.conv1.weight.norm.running_mean", Shape.of(2), new float[] {5, 2}, 0),
        HostTensor.of(
            "a.conv1.weight.norm.running_var", Shape.of(2), new float[] {variance, wide}, 0));
  }

  @Test
  void aNormalisationBetweenFactorsGoesIntoThemAndIntoTheNextOne() {
    List<HostTensor> saved = normalised("a.norm1");
    UnaryOperator<String> normOf = convolution -> convolution.replace("conv", "norm");
    assertEquals(7, SPARSE_BF16.of(saved, Map.of(), normOf).tensors().size(), "kept as it is");
    ModelExport.Exported whole = DENSE_F32.of(saved, Map.of(), normOf);
    assertEquals(
        List.of("a.conv1.weight", "a.norm1.running_mean"),
        whole.tensors().stream().map(HostTensor::name).toList());
    // U·diag(s) = (2, 0; 4, 0.5), U·b = (1, 5)
    float[] product = {2, 4, 6, 6, 10.5f, 15};
    assertArrayEquals(product, (float[]) whole.tensors().get(0).array(), 1e-4f);
    assertArrayEquals(new float[] {99, 195}, (float[]) whole.tensors().get(1).array(), 1e-4f);
    assertArrayEquals(new float[] {1, 0, 2, 1}, (float[]) saved.get(3).array(), "the caller's");
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> DENSE_F32.of(normalised("b.norm1"), Map.of(), normOf))
            .getMessage();
    assertEquals(
        "a.conv1.weight: expected a batch normalisation a.norm1.running_mean (2) after the convolution, to take what the one between its factors adds, got none",
        message);
  }

  @Test
  void factorsThatDoNotMeetAreNamed() {
    List<HostTensor> saved =
        List.of(
            HostTensor.of("a.weight.v", Shape.of(2, 3), new float[6], 0),
            HostTensor.of("a.weight.u", Shape.of(2, 3), new float[6], 0));
    String message =
        assertThrows(IllegalArgumentException.class, () -> DENSE_F32.of(saved, Map.of()))
            .getMessage();
    assertTrue(message.startsWith("a.weight: expected factors"), message);
  }
}
