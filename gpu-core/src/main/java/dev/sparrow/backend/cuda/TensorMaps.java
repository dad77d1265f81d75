package dev.sparrow.backend.cuda;

import com.sun.jna.Function;
import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.util.Arrays;

/**
 * Encodes tensor maps by cuTensorMapEncodeTiled, which JCuda lacks. The driver only computes on the
 * host here; no stream is involved. Not for use within a step: a map is made when the address and
 * shape are known, and kept. One thread at a time.
 */
final class TensorMaps {
  private static final String CALL = "cuTensorMapEncodeTiled";
  private static final int INTERLEAVE_NONE = 0;
  private static final int L2_PROMOTION_256_BYTES = 3;
  private static final int OUT_OF_BOUNDS_ZERO = 0; // CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE

  private final Function encode;

  /** Throws {@link CudaUnavailableException} where the driver is older than TMA. */
  TensorMaps(CudaDriver driver) {
    this.encode = driver.function(CALL);
  }

  /** The map of a validated spec; elements outside the tensor load as zero. */
  TensorMap encode(TensorMapSpec spec) {
    TensorMap map = new TensorMap();
    int code = encode.invokeInt(arguments(map, spec));
    if (code != 0) {
      throw new CudaException(CALL, code, spec.toString());
    }
    return map;
  }

  /** The C call's twelve arguments, in order. */
  static Object[] arguments(TensorMap map, TensorMapSpec spec) {
    return new Object[] {
      map.pointer(),
      spec.dtypeCode(),
      spec.rank(),
      new Pointer(spec.address()),
      longs(spec.dims()),
      longs(spec.strideBytes()),
      ints(spec.box()),
      ints(ones(spec.rank())),
      INTERLEAVE_NONE,
      spec.swizzle().code(),
      L2_PROMOTION_256_BYTES,
      OUT_OF_BOUNDS_ZERO
    };
  }

  private static Memory longs(long[] values) {
    Memory memory = new Memory(Math.max(1, values.length) * (long) Long.BYTES);
    memory.write(0, values, 0, values.length);
    return memory;
  }

  private static Memory ints(int[] values) {
    Memory memory = new Memory(values.length * (long) Integer.BYTES);
    memory.write(0, values, 0, values.length);
    return memory;
  }

  private static int[] ones(int count) {
    int[] ones = new int[count];
    Arrays.fill(ones, 1);
    return ones;
  }
}
