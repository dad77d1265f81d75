package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every backend's memory and copies must do. */
abstract class BackendContract {
  private Backend backend;

  protected abstract Backend open();

  @BeforeEach
  void openBackend() {
    backend = open();
  }

  @AfterEach
  void closeBackend() {
    backend.close();
  }

  @Test
  void itSaysWhatItIs() {
    assertFalse(backend.name().isBlank());
    assertFalse(backend.description().isBlank());
  }

  @Test
  void tensorsStartZeroed() {
    float[] values = {1, 2, 3, 4, 5, 6};
    Tensor x = backend.allocate(2, 3);
    backend.downloadSync(x, values, 0);
    assertArrayEquals(new float[6], values);
    assertEquals(backend.floatType(), x.dtype());
    assertEquals(Shape.of(2, 3), x.shape());
  }

  @Test
  void floatsComeBackFromAWindow() {
    Tensor x = backend.allocate(4, 3);
    backend.upload(new float[] {9, 1, 2, 3, 4, 5, 6, 9}, 1, x.slice(1, 2));
    float[] all = new float[14];
    backend.downloadSync(x, all, 1);
    assertArrayEquals(new float[] {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0}, all);
  }

  @Test
  void integersComeBackFromAWindow() {
    Tensor x = backend.allocate(DType.I32, Shape.of(5));
    backend.upload(new int[] {9, -1, 1 << 30, 9}, 1, x.slice(2, 2));
    int[] all = new int[6];
    backend.downloadSync(x, all, 1);
    assertArrayEquals(new int[] {0, 0, 0, -1, 1 << 30, 0}, all);
  }

  @Test
  void allocatedBytesFollowAllocateAndFree() {
    long before = backend.allocatedBytes();
    Tensor x = backend.allocate(5, 7);
    assertEquals(before + x.bytes(), backend.allocatedBytes());
    Tensor y = backend.allocate(DType.I32, Shape.of(3));
    backend.free(x);
    assertEquals(before + y.bytes(), backend.allocatedBytes());
    backend.free(y);
    assertEquals(before, backend.allocatedBytes());
  }

  @Test
  void viewsAndFreedTensorsAreNotFreed() {
    Tensor x = backend.allocate(5, 7);
    assertThrows(IllegalArgumentException.class, () -> backend.free(x.slice(1, 2)));
    assertThrows(IllegalArgumentException.class, () -> backend.free(x.first(2)));
    backend.free(x);
    assertThrows(IllegalArgumentException.class, () -> backend.free(x));
  }

  @Test
  void emptyTensorsAreAllowed() {
    Tensor x = backend.allocate(0, 7);
    backend.elementwise().fill(x, 1);
    assertEquals(0, backend.elementwise().squaredNormSync(x));
  }
}
