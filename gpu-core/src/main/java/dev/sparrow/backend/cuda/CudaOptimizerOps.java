package dev.sparrow.backend.cuda;

import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.backend.UpdateSegments;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * Launches of {@code optim/adamw.cu}, one pass over the arena. What changes from step to step goes
 * to the device as a few constants, computed in double as the CPU backend computes them.
 */
final class CudaOptimizerOps implements OptimizerOps, AutoCloseable {
  private static final int ADAMW_CONSTANTS = 8;
  private static final int SGD_CONSTANTS = 5;

  private final KernelQueue queue;
  private final Launch adamW;
  private final Launch adamWWithCopy;
  private final Launch sgd;
  private final Launch sgdWithCopy;
  private final Scratch constants;
  private final Map<UpdateSegments, DeviceSegments> segments = new IdentityHashMap<>();
  private final float[] host = new float[ADAMW_CONSTANTS + 1];

  /** Device addresses of int64 ends, I32 flags and F32 factors of the learning rate. */
  private record DeviceSegments(long ends, long decays, long rates) {}

  CudaOptimizerOps(KernelQueue queue) {
    this.queue = queue;
    this.adamW = queue.kernel("adamw_f32");
    this.adamWWithCopy = queue.kernel("adamw_bf16");
    this.sgd = queue.kernel("sgd_f32");
    this.sgdWithCopy = queue.kernel("sgd_bf16");
    this.constants = queue.scratch("optimizer constants");
  }

  @Override
  public void adamW(
      AdamW s, double gradientScale, Weights weights, Tensor firstMoment, Tensor secondMoment) {
    long n =
        Doors.equalSizes(
            "adamW: gradient, parameter, firstMoment, secondMoment",
            weights.gradient(),
            weights.parameter(),
            firstMoment,
            secondMoment);
    requireWeights("adamW", weights, n);
    if (s.step() < 1) {
      throw new IllegalArgumentException("adamW: expected step 1 or later, got " + s.step());
    }
    host[0] = (float) s.keep();
    host[1] = (float) s.beta1();
    host[2] = (float) (1 - s.beta1());
    host[3] = (float) s.beta2();
    host[4] = (float) (1 - s.beta2());
    host[5] = (float) s.correctedRate();
    host[6] = (float) s.correctedRoot();
    host[7] = (float) s.epsilon();
    ArgumentBlock arguments =
        begin(weights.copy() == null ? adamW : adamWWithCopy, ADAMW_CONSTANTS, gradientScale, n);
    arguments
        .tensor(weights.gradient())
        .tensor(weights.parameter())
        .tensor(firstMoment)
        .tensor(secondMoment);
    finish(weights.copy() == null ? adamW : adamWWithCopy, arguments, weights, n);
  }

  @Override
  public void sgd(Sgd s, double gradientScale, Weights weights, Tensor momentum) {
    long n =
        Doors.equalSizes(
            "sgd: gradient, parameter, momentum",
            weights.gradient(),
            weights.parameter(),
            momentum);
    requireWeights("sgd", weights, n);
    host[0] = (float) s.learningRate();
    host[1] = (float) s.momentum();
    host[2] = (float) s.weightDecay();
    host[3] = s.nesterov() ? 1 : 0;
    host[4] = s.nesterov() ? host[1] : 1;
    Launch launch = weights.copy() == null ? sgd : sgdWithCopy;
    ArgumentBlock arguments = begin(launch, SGD_CONSTANTS, gradientScale, n);
    arguments.tensor(weights.gradient()).tensor(weights.parameter()).tensor(momentum);
    finish(launch, arguments, weights, n);
  }

  /**
   * Uploads the first {@code count} constants and, behind them, the scale; packs both addresses.
   */
  private ArgumentBlock begin(Launch launch, int count, double gradientScale, long n) {
    host[count] = (float) gradientScale;
    long address = constants.bytes((ADAMW_CONSTANTS + 1L) * Float.BYTES);
    queue.staging().upload(this::put, count + 1, Float.BYTES, address);
    queue.overElements(launch, n);
    return launch.arguments().address(address).address(address + (long) count * Float.BYTES);
  }

  private void put(ByteBuffer out, int first, int count) {
    for (int i = first; i < first + count; i++) {
      out.putFloat(host[i]);
    }
  }

  private void finish(Launch launch, ArgumentBlock arguments, Weights weights, long n) {
    if (n == 0) {
      return;
    }
    if (weights.copy() != null) {
      arguments.tensor(weights.copy());
    }
    DeviceSegments held = segments.computeIfAbsent(weights.segments(), this::upload);
    arguments
        .int64(n)
        .address(held.ends)
        .address(held.decays)
        .address(held.rates)
        .int32(weights.segments().count());
    queue.run(launch);
  }

  private DeviceSegments upload(UpdateSegments all) {
    return new DeviceSegments(
        upload(all, "ends", Long.BYTES, (out, i) -> out.putLong(all.end(i))),
        upload(all, "decays", Integer.BYTES, (out, i) -> out.putInt(all.decays(i) ? 1 : 0)),
        upload(all, "rates", Float.BYTES, (out, i) -> out.putFloat(all.rate(i))));
  }

  private interface SegmentValue {
    void put(ByteBuffer out, int segment);
  }

  /** One value of {@code bytes} bytes per segment; returns their device address. */
  private long upload(UpdateSegments all, String what, int bytes, SegmentValue value) {
    int count = all.count();
    long address =
        queue.memory().allocate((long) count * bytes, "segment " + what, Shape.of(count));
    queue
        .staging()
        .upload(
            (out, first, part) -> {
              for (int i = first; i < first + part; i++) {
                value.put(out, i);
              }
            },
            count,
            bytes,
            address);
    return address;
  }

  private static void requireWeights(String op, Weights weights, long n) {
    Doors.equalTypes(op + ": gradient, parameter", weights.gradient(), weights.parameter());
    Doors.requireType(op + ": parameter", weights.parameter(), DType.F32);
    if (weights.copy() != null) {
      Doors.requireSize(op + ": copy", weights.copy(), n);
      Doors.requireType(op + ": copy", weights.copy(), DType.BF16);
    }
    if (weights.segments().size() != n) {
      throw new IllegalArgumentException(
          op
              + ": segments: expected segments of "
              + n
              + " elements, got "
              + weights.segments().size());
    }
  }

  @Override
  public void close() {
    segments
        .values()
        .forEach(
            held -> {
              queue.memory().free(held.ends);
              queue.memory().free(held.decays);
              queue.memory().free(held.rates);
            });
    segments.clear();
  }
}
