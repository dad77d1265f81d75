package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.jna.Pointer;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Storage;
import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

/** Reads the block as the driver does: through the array of pointers. */
class ArgumentBlockTest {
  private final ArgumentBlock block = new ArgumentBlock();

  private Pointer argument(int i) {
    return new Pointer(block.pointers().value()).getPointer((long) i * Long.BYTES);
  }

  @Test
  void eachPointerLeadsToItsValueAligned() {
    Tensor tensor =
        new Tensor(new DeviceStorage(DType.BF16, 100, 0x7f0000001000L), 10, Shape.of(3, 5));
    block.clear().int32(-7).tensor(tensor).float32(0.5f).int64(1L << 40).int32(9).address(16);
    assertEquals(6, block.count());
    assertEquals(-7, argument(0).getInt(0));
    assertEquals(0x7f0000001000L + 20, argument(1).getLong(0));
    assertEquals(0.5f, argument(2).getFloat(0));
    assertEquals(1L << 40, argument(3).getLong(0));
    assertEquals(9, argument(4).getInt(0));
    assertEquals(16, argument(5).getLong(0));
    for (int i : new int[] {1, 3, 5}) {
      assertEquals(0, Pointer.nativeValue(argument(i)) % 8);
    }
  }

  @Test
  void behindThePointersStandTheEndsOfTheValuesLastFirstAndANull() {
    block.clear().int32(1).int64(2).float32(3).struct(ByteBuffer.allocateDirect(120));
    long[] bytes = {4, 8, 4, 120};
    for (int i = 0; i < 4; i++) {
      assertEquals(
          bytes[i], Pointer.nativeValue(argument(7 - i)) - Pointer.nativeValue(argument(i)));
    }
    assertNull(argument(8));
    block.clear().int32(1);
    assertEquals(4, Pointer.nativeValue(argument(1)) - Pointer.nativeValue(argument(0)));
    assertNull(argument(2));
    block.clear();
    assertNull(argument(0));
  }

  @Test
  void clearingStartsAgainInTheSameMemory() {
    block.clear().int32(1).int64(2);
    Pointer first = argument(0);
    block.clear().int64(3);
    assertEquals(first, argument(0));
    assertEquals(3, argument(0).getLong(0));
    assertEquals(1, block.count());
  }

  @Test
  void structsGoByValueAlignedTo64() {
    TensorMap map = new TensorMap();
    for (int i = 0; i < TensorMap.BYTES; i++) {
      map.pointer().setByte(i, (byte) (i * 3));
    }
    block.clear().int32(1).tensorMap(map).int32(2);
    assertEquals(0, Pointer.nativeValue(argument(1)) % 64);
    for (int i = 0; i < TensorMap.BYTES; i++) {
      assertEquals((byte) (i * 3), argument(1).getByte(i));
    }
    assertEquals(2, argument(2).getInt(0));
    assertEquals(
        Pointer.nativeValue(argument(1)) + TensorMap.BYTES, Pointer.nativeValue(argument(2)));
    map.pointer().setByte(0, (byte) 99);
    assertEquals(0, argument(1).getByte(0));
  }

  @Test
  void structsOutsideTheBoundsAreRefused() {
    block.clear();
    assertThrows(
        IllegalArgumentException.class, () -> block.struct(ByteBuffer.allocateDirect(129)));
    assertThrows(IllegalArgumentException.class, () -> block.struct(ByteBuffer.allocateDirect(0)));
    block.struct(ByteBuffer.allocateDirect(128)).struct(ByteBuffer.allocateDirect(1));
    assertEquals(2, block.count());
  }

  @Test
  void tooManyArgumentsAreRefused() {
    block.clear();
    for (int i = 0; i < ArgumentBlock.MOST_ARGUMENTS; i++) {
      block.int64(i);
    }
    String message =
        assertThrows(IllegalArgumentException.class, () -> block.int32(0)).getMessage();
    assertTrue(message.contains("was clear() called"), message);
    assertEquals(127, argument(127).getLong(0));
    block.clear();
    for (int i = 0; i < ArgumentBlock.VALUE_BYTES / 128; i++) {
      block.struct(ByteBuffer.allocateDirect(128));
    }
    assertThrows(IllegalArgumentException.class, () -> block.int32(0));
  }

  @Test
  void onlyDeviceTensorsHaveAddresses() {
    Storage host =
        new Storage() {
          @Override
          public DType dtype() {
            return DType.F32;
          }

          @Override
          public long length() {
            return 4;
          }
        };
    Tensor tensor = new Tensor(host, 0, Shape.of(4));
    assertThrows(IllegalArgumentException.class, () -> block.clear().tensor(tensor));
  }

  @Test
  void addressesPassTheIntRange() {
    long length = 5L << 30;
    DeviceStorage storage = new DeviceStorage(DType.F32, length, 0x7f0000000000L);
    assertEquals(length * 4, storage.bytes());
    Tensor last = new Tensor(storage, length - 1, Shape.of(1));
    assertEquals(0x7f0000000000L + (length - 1) * 4, DeviceStorage.address(last));
    assertThrows(IllegalArgumentException.class, () -> new DeviceStorage(DType.F32, 1, 0));
    assertThrows(IllegalArgumentException.class, () -> new DeviceStorage(DType.F32, -1, 512));
  }
}
