package dev.sparrow.backend.cuda;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import dev.sparrow.backend.Draws;
import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * One kernel's arguments in native memory, as cuLaunchKernel takes them: the values, each aligned
 * as C aligns it, and an array of pointers to them. Allocated once and rewritten for each launch,
 * which the driver permits because it copies them before the call returns; so a launch makes no
 * garbage. Arguments are appended in the order of the kernel's parameters. One thread at a time.
 *
 * <p>Behind the pointers stand as many addresses more, one past each value, the last value's first,
 * and then a null. A driver has no use for them; the emulated one (kernels/emulate/driver) finds by
 * them arguments that are missing, surplus or of another size than the kernel's.
 */
final class ArgumentBlock {
  /** What every supported driver and GPU takes. */
  static final int VALUE_BYTES = 4096;

  static final int MOST_ARGUMENTS = 128;

  /** By-value structs: a tensor map is the largest and asks for this alignment. */
  static final int STRUCT_ALIGNMENT = 64;

  static final int MOST_STRUCT_BYTES = 128;

  private static final int POINTER_BYTES = (2 * MOST_ARGUMENTS + 1) * Long.BYTES;

  private final Memory memory;
  private final ByteBuffer values;
  private final HostAddress pointers;
  private final long base;
  private final int[] ends = new int[MOST_ARGUMENTS];
  private int count;
  private int end;

  ArgumentBlock() {
    memory = new Memory(VALUE_BYTES + POINTER_BYTES + STRUCT_ALIGNMENT);
    long start = Pointer.nativeValue(memory);
    long aligned = (start + STRUCT_ALIGNMENT - 1) / STRUCT_ALIGNMENT * STRUCT_ALIGNMENT;
    base = aligned;
    values = memory.getByteBuffer(aligned - start, VALUE_BYTES + POINTER_BYTES);
    values.order(ByteOrder.nativeOrder());
    pointers = new HostAddress(aligned + VALUE_BYTES);
  }

  /** Forgets the arguments of the launch before. */
  ArgumentBlock clear() {
    count = 0;
    end = 0;
    return this;
  }

  /** A device pointer. */
  ArgumentBlock address(long address) {
    return int64(address);
  }

  /** A device pointer to the tensor's first element. */
  ArgumentBlock tensor(Tensor tensor) {
    return int64(DeviceStorage.address(tensor));
  }

  /** A device pointer that may be null. */
  ArgumentBlock tensorOrNull(Tensor tensor) {
    return int64(tensor == null ? 0 : DeviceStorage.address(tensor));
  }

  /**
   * Random draws as every kernel takes them: seed, stream, where the first token's number lies, and
   * draws a token.
   *
   * @param firstToken device address, see {@link TokenOrigin}
   */
  ArgumentBlock draws(Draws draws, long firstToken) {
    return int64(draws.key().seed())
        .int64(draws.key().stream())
        .address(firstToken)
        .int64(draws.perToken());
  }

  ArgumentBlock int32(int value) {
    values.putInt(append(Integer.BYTES, Integer.BYTES), value);
    return this;
  }

  ArgumentBlock int64(long value) {
    values.putLong(append(Long.BYTES, Long.BYTES), value);
    return this;
  }

  ArgumentBlock float32(float value) {
    values.putFloat(append(Float.BYTES, Float.BYTES), value);
    return this;
  }

  /** A struct by value: all bytes of {@code struct} from index 0 to its limit, at most 128. */
  ArgumentBlock struct(ByteBuffer struct) {
    int bytes = struct.limit();
    if (bytes < 1 || bytes > MOST_STRUCT_BYTES) {
      throw new IllegalArgumentException(
          "struct argument: expected 1 to " + MOST_STRUCT_BYTES + " bytes, got " + bytes);
    }
    values.put(append(bytes, STRUCT_ALIGNMENT), struct, 0, bytes);
    return this;
  }

  /** A tensor map by value, for a {@code const __grid_constant__ CUtensorMap} parameter. */
  ArgumentBlock tensorMap(TensorMap map) {
    return struct(map.bytes());
  }

  /** Arguments appended since {@link #clear}. */
  int count() {
    return count;
  }

  /**
   * The {@code void**} of cuLaunchKernel for the arguments appended until now; valid as long as
   * this block is reachable.
   */
  HostAddress pointers() {
    for (int i = 0; i < count; i++) {
      setSlot(2 * count - 1 - i, base + ends[i]);
    }
    setSlot(2 * count, 0);
    return pointers;
  }

  private int append(int bytes, int alignment) {
    int at = (end + alignment - 1) / alignment * alignment;
    if (count == MOST_ARGUMENTS || at + bytes > VALUE_BYTES) {
      throw new IllegalArgumentException(
          "kernel arguments: expected at most "
              + MOST_ARGUMENTS
              + " in "
              + VALUE_BYTES
              + " bytes, got one more after "
              + count
              + " in "
              + end
              + "; was clear() called before packing?");
    }
    setSlot(count, base + at);
    end = at + bytes;
    ends[count++] = end;
    return at;
  }

  private void setSlot(int slot, long address) {
    values.putLong(VALUE_BYTES + slot * Long.BYTES, address);
  }
}
