package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.sparrow.backend.Comparison.Type;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.HostInts;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What every backend's memory and copies must do, for tensors of either of its types. */
abstract class BackendContract extends Contract {
  private Backend backend;

  @BeforeEach
  void openBackend() {
    backend = open();
  }

  @AfterEach
  void closeBackend() {
    backend.close();
  }

  private Tensor allocate(Type type, int... dims) {
    return backend.allocate(type.of(backend), Shape.of(dims));
  }

  @Test
  void itSaysWhatItIs() {
    assertFalse(backend.name().isBlank());
    assertFalse(backend.description().isBlank());
  }

  @ParameterizedTest
  @EnumSource
  void tensorsStartZeroed(Type type) {
    // Memory that held something before, where it is used again.
    Tensor used = allocate(type, 2, 3);
    backend.elementwise().fill(used, 7);
    backend.free(used);
    float[] values = {1, 2, 3, 4, 5, 6};
    Tensor x = allocate(type, 2, 3);
    backend.downloadSync(x, values, 0);
    assertArrayEquals(new float[6], values);
    assertEquals(type.of(backend), x.dtype());
    assertEquals(Shape.of(2, 3), x.shape());
  }

  @Test
  void tensorsAreFloatUnlessTheTypeIsNamed() {
    assertEquals(backend.floatType(), backend.allocate(2, 3).dtype());
  }

  @ParameterizedTest
  @EnumSource
  void floatsComeBackFromAWindow(Type type) {
    Tensor x = allocate(type, 4, 3);
    backend.upload(new float[] {9, 1, 2, 3, 4, 5, 6, 9}, 1, x.slice(1, 2));
    float[] all = new float[14];
    backend.downloadSync(x, all, 1);
    assertArrayEquals(new float[] {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0}, all);
    float[] part = {9, 9, 9, 9, 9};
    backend.downloadSync(x.window(5, 3), part, 1);
    assertArrayEquals(new float[] {9, 3, 4, 5, 9}, part);
  }

  /** What 8 significant bits hold comes back as it is; the sign of 0 and infinities too. */
  @ParameterizedTest
  @EnumSource
  void representableValuesComeBackExactly(Type type) {
    float[] values = {
      0,
      -0f,
      1,
      -1.9921875f,
      255,
      0x1.fep127f,
      -0x1p-126f,
      1e30f,
      Float.NaN,
      Float.NEGATIVE_INFINITY
    };
    values[7] = Bf16.round(values[7]);
    Tensor x = allocate(type, values.length);
    backend.upload(values, 0, x);
    assertArrayEquals(values, download(x));
  }

  /** The nearest value of the type; of two, the one whose last bit is 0. */
  @Test
  void otherValuesAreRoundedToNearestEven() {
    float[] values = {0x1.01p0f, 0x1.03p0f, -0x1.03p0f, 0x1.010002p0f, 0x1.00fffep0f, 0x1.ffp5f};
    float[] inBf16 = {1, 0x1.04p0f, -0x1.04p0f, 0x1.02p0f, 1, 64};
    Tensor x = compute(backend, values.length);
    backend.upload(values, 0, x);
    assertArrayEquals(x.dtype() == DType.BF16 ? inBf16 : values, download(x));
  }

  private float[] download(Tensor tensor) {
    float[] values = new float[(int) tensor.size()];
    backend.downloadSync(tensor, values, 0);
    return values;
  }

  @Test
  void integersComeBackFromAWindow() {
    Tensor x = backend.allocate(DType.I32, Shape.of(5));
    backend.upload(new int[] {9, -1, 1 << 30, 9}, 1, x.slice(2, 2));
    int[] all = new int[6];
    backend.downloadSync(x, all, 1);
    assertArrayEquals(new int[] {0, 0, 0, -1, 1 << 30, 0}, all);
  }

  /** Memory of the heap and of the backend alike, written again and again. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void hostIntsAreWhatTheyWereWhenUploaded(boolean heap) {
    Tensor x = backend.allocate(DType.I32, Shape.of(12));
    try (HostInts host = heap ? HostInts.onHeap(4) : backend.hostInts(4)) {
      for (int i = 0; i < 4; i++) {
        host.awaitTakenSync();
        host.values().put(0, new int[] {i, -i, 1 << 30, 7}, 0, 4);
        backend.upload(host, x.slice(3 * i, 3)); // the first three
      }
      host.awaitTakenSync();
      host.values().put(0, 99).put(2, 99);
      assertEquals(0, host.values().position());
      assertEquals(4, host.values().limit());
    }
    int[] all = new int[12];
    backend.downloadSync(x, all, 0);
    int big = 1 << 30;
    assertArrayEquals(new int[] {0, 0, big, 1, -1, big, 2, -2, big, 3, -3, big}, all);
  }

  /** As for any op: what was called before sees the old values. */
  @Test
  void anUploadComesAfterTheOpsCalledBefore() {
    Tensor rows = backend.allocate(DType.I32, Shape.of(1, 3));
    Tensor[] parts = new Tensor[6];
    try (HostInts host = backend.hostInts(3)) {
      for (int i = 0; i < 3; i++) {
        host.awaitTakenSync();
        host.values().put(0, new int[] {i, i + 10, i + 20}, 0, 3);
        backend.upload(host, rows);
        parts[2 * i] = backend.allocate(DType.I32, Shape.of(2));
        parts[2 * i + 1] = backend.allocate(DType.I32, Shape.of(2));
        backend.embedding().splitTokens(rows, parts[2 * i], parts[2 * i + 1]);
      }
    }
    for (int i = 0; i < 3; i++) {
      assertArrayEquals(new int[] {i, i + 10}, ints(parts[2 * i]));
      assertArrayEquals(new int[] {i + 10, i + 20}, ints(parts[2 * i + 1]));
    }
  }

  private int[] ints(Tensor tensor) {
    int[] values = new int[(int) tensor.size()];
    backend.downloadSync(tensor, values, 0);
    return values;
  }

  /** Replayed or not, each run sees its tensors' values of that time and its own first token. */
  @ParameterizedTest
  @EnumSource
  void recordedWorkEqualsPlainCalls(Type type) {
    RandomKey key = new RandomKey(5, 6);
    Tensor x = allocate(type, 8, 3);
    Tensor out = allocate(type, 8, 3);
    Tensor expected = allocate(type, 8, 3);
    try (Recording recording =
        backend.record(
            "dropout",
            first -> backend.elementwise().dropout(x, 0.5, new Draws(key, first, 3), out))) {
      for (long first : new long[] {0, 8, 1L << 32, 8}) {
        backend.elementwise().fill(x, first + 1.0);
        recording.run(first);
        backend.elementwise().dropout(x, 0.5, new Draws(key, first, 3), expected);
        assertArrayEquals(download(expected), download(out), "first token " + first);
      }
    }
  }

  /** More than one transfer's worth, so that a staging buffer is used twice. */
  @ParameterizedTest
  @EnumSource
  void largeTensorsComeBackWhole(Type type) {
    int size = 300_001;
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = i % 251 - 125;
    }
    Tensor x = allocate(type, size + 1).window(1, size);
    backend.upload(values, 0, x);
    assertArrayEquals(values, download(x));
  }

  /** The host's array is the caller's again when upload returns, however the copy runs. */
  @Test
  void anUploadedArrayMayChangeAtOnce() {
    float[] floats = {1, 2, 3};
    int[] ints = {1, 2, 3};
    Tensor x = backend.allocate(3);
    Tensor ids = backend.allocate(DType.I32, Shape.of(3));
    backend.upload(floats, 0, x);
    backend.upload(ints, 0, ids);
    floats[1] = 9;
    ints[1] = 9;
    backend.downloadSync(ids, ints, 0);
    assertArrayEquals(new float[] {1, 2, 3}, download(x));
    assertArrayEquals(new int[] {1, 2, 3}, ints);
    HostInts onHeap = HostInts.onHeap(3);
    onHeap.values().put(0, ints, 0, 3);
    backend.upload(onHeap, ids);
    onHeap.values().put(1, 9);
    backend.downloadSync(ids, ints, 0);
    assertArrayEquals(new int[] {1, 2, 3}, ints);
  }

  /** Sums that the host reads are doubles on every device. */
  @Test
  void sumsStayOnTheDeviceUntilTheyAreReadTogether() {
    Tensor x = backend.allocate(3);
    backend.upload(new float[] {1, -2, 0.5f}, 0, x);
    Tensor totals = backend.allocate(DType.F64, Shape.of(3));
    double[] host = {7, 0, 0, 0, 7};
    backend.downloadSync(totals, host, 1);
    assertArrayEquals(new double[] {7, 0, 0, 0, 7}, host, "fresh memory is zero");
    backend.loss().sum(x, false, totals.slice(0, 1));
    backend.loss().sum(x, true, totals.slice(0, 1));
    backend.elementwise().squaredNorm(x, totals.slice(2, 1));
    backend.downloadSync(totals, host, 1);
    assertArrayEquals(new double[] {7, -1, 0, 5.25, 7}, host);
    backend.loss().sum(x.first(0), true, totals.slice(0, 1));
    backend.loss().sum(x.first(0), false, totals.slice(2, 1));
    backend.downloadSync(totals, host, 1);
    assertArrayEquals(new double[] {7, -1, 0, 0, 7}, host, "sums of nothing");
  }

  @ParameterizedTest
  @EnumSource
  void allocatedBytesFollowAllocateAndFree(Type type) {
    long before = backend.allocatedBytes();
    Tensor x = allocate(type, 5, 7);
    assertEquals(before + x.bytes(), backend.allocatedBytes());
    Tensor y = backend.allocate(DType.I32, Shape.of(3));
    backend.free(x);
    assertEquals(before + y.bytes(), backend.allocatedBytes());
    backend.free(y);
    assertEquals(before, backend.allocatedBytes());
  }

  @ParameterizedTest
  @EnumSource
  void viewsAndFreedTensorsAreNotFreed(Type type) {
    Tensor x = allocate(type, 5, 7);
    assertThrows(IllegalArgumentException.class, () -> backend.free(x.slice(1, 2)));
    assertThrows(IllegalArgumentException.class, () -> backend.free(x.first(2)));
    backend.free(x);
    assertThrows(IllegalArgumentException.class, () -> backend.free(x));
  }

  @ParameterizedTest
  @EnumSource
  void emptyTensorsAreAllowed(Type type) {
    Tensor x = allocate(type, 0, 7);
    backend.elementwise().fill(x, 1);
    assertEquals(0, backend.elementwise().squaredNormSync(x));
  }
}
