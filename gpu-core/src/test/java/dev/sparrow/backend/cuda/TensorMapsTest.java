package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import dev.sparrow.backend.cuda.TensorMapSpec.MatrixExtent;
import dev.sparrow.backend.cuda.TensorMapSpec.Swizzle;
import dev.sparrow.tensor.DType;
import org.junit.jupiter.api.Test;

class TensorMapsTest {
  private static final long ADDRESS = 0x7f0000000010L;

  private static TensorMapSpec matrix(
      DType dtype, long address, long rows, long columns, int boxRows, int boxColumns, Swizzle s) {
    return TensorMapSpec.matrix(
        dtype, address, new MatrixExtent(rows, columns), new MatrixExtent(boxRows, boxColumns), s);
  }

  private static void refused(String words, Runnable spec) {
    String message = assertThrows(IllegalArgumentException.class, spec::run).getMessage();
    assertTrue(message.startsWith("tensor map: expected ") && message.contains(words), message);
  }

  @Test
  void aMatrixIsDescribedInnermostFirst() {
    TensorMapSpec spec = matrix(DType.BF16, ADDRESS, 4096, 1024, 128, 64, Swizzle.BYTES_128);
    assertArrayEquals(new long[] {1024, 4096}, spec.dims());
    assertArrayEquals(new long[] {2048}, spec.strideBytes());
    assertArrayEquals(new int[] {64, 128}, spec.box());
    assertEquals(9, spec.dtypeCode());
    assertEquals(2, spec.rank());
  }

  @Test
  void whatTheDriverWouldRefuseHasAMessage() {
    Swizzle none = Swizzle.NONE;
    refused("multiple of 16", () -> matrix(DType.BF16, ADDRESS + 8, 64, 64, 8, 8, none));
    refused("multiple of 16", () -> matrix(DType.BF16, 0, 64, 64, 8, 8, none));
    refused("1 to 256", () -> matrix(DType.BF16, ADDRESS, 1024, 64, 257, 8, none));
    refused("1 to 256", () -> matrix(DType.BF16, ADDRESS, 1024, 64, 0, 8, none));
    refused("multiples of 16 bytes", () -> matrix(DType.BF16, ADDRESS, 64, 60, 8, 8, none));
    refused("multiple of 16 bytes", () -> matrix(DType.BF16, ADDRESS, 64, 64, 8, 12, none));
    refused("dims of 1", () -> matrix(DType.BF16, ADDRESS, 0, 64, 8, 8, none));
    refused("dims of 1", () -> matrix(DType.U8, ADDRESS, (1L << 32) + 1, 64, 8, 16, none));
    refused(
        "at most 128 bytes for swizzle BYTES_128",
        () -> matrix(DType.BF16, ADDRESS, 64, 128, 8, 128, Swizzle.BYTES_128));
    refused("at most 32 bytes", () -> matrix(DType.F32, ADDRESS, 64, 64, 8, 12, Swizzle.BYTES_32));
    refused(
        "1 to 5 dimensions",
        () -> new TensorMapSpec(DType.U8, ADDRESS, new long[6], new long[5], new int[6], none));
    refused(
        "2 box sizes and 1 strides",
        () ->
            new TensorMapSpec(
                DType.U8, ADDRESS, new long[] {64, 64}, new long[] {64}, new int[] {16}, none));
  }

  @Test
  void theWidestOfEachSwizzlePasses() {
    matrix(DType.BF16, ADDRESS, 64, 64, 8, 64, Swizzle.BYTES_128);
    matrix(DType.BF16, ADDRESS, 64, 64, 8, 32, Swizzle.BYTES_64);
    matrix(DType.BF16, ADDRESS, 64, 64, 8, 16, Swizzle.BYTES_32);
    matrix(DType.F32, ADDRESS, 64, 256, 256, 256, Swizzle.NONE);
  }

  @Test
  void theMapIsAlignedTo64AndZeroed() {
    for (int i = 0; i < 20; i++) {
      TensorMap map = new TensorMap();
      assertEquals(0, Pointer.nativeValue(map.pointer()) % 64);
      assertEquals(TensorMap.BYTES, map.bytes().limit());
      map.pointer().setLong(120, 7L);
      assertEquals(7L, map.bytes().getLong(120));
      assertEquals(0L, map.bytes().getLong(0));
    }
  }

  @Test
  void theCallHasItsTwelveArgumentsInOrder() {
    TensorMapSpec spec =
        new TensorMapSpec(
            DType.F32,
            ADDRESS,
            new long[] {64, 1L << 32, 3},
            new long[] {256, 1L << 39},
            new int[] {32, 16, 1},
            Swizzle.BYTES_128);
    TensorMap map = new TensorMap();
    Object[] arguments = TensorMaps.arguments(map, spec);
    assertEquals(12, arguments.length);
    assertEquals(map.pointer(), arguments[0]);
    assertEquals(7, arguments[1]);
    assertEquals(3, arguments[2]);
    assertEquals(new Pointer(ADDRESS), arguments[3]);
    assertArrayEquals(new long[] {64, 1L << 32, 3}, ((Memory) arguments[4]).getLongArray(0, 3));
    assertArrayEquals(new long[] {256, 1L << 39}, ((Memory) arguments[5]).getLongArray(0, 2));
    assertArrayEquals(new int[] {32, 16, 1}, ((Memory) arguments[6]).getIntArray(0, 3));
    assertArrayEquals(new int[] {1, 1, 1}, ((Memory) arguments[7]).getIntArray(0, 3));
    assertEquals(0, arguments[8]);
    assertEquals(3, arguments[9]);
    assertEquals(3, arguments[10]);
    assertEquals(0, arguments[11]);
  }
}
