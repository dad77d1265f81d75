package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.ActivationOps;
import dev.sparrow.backend.cuda.KernelQueue.ByType;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;

/** Launches of {@code nn/activation.cu}. */
final class CudaActivationOps implements ActivationOps {
  /** One nonlinearity's four kernels. */
  private record Kernels(ByType forward, ByType backward, ByType gated, ByType gatedBackward) {}

  private final KernelQueue queue;
  private final Map<Activation, Kernels> kernels = new EnumMap<>(Activation.class);

  CudaActivationOps(KernelQueue queue) {
    this.queue = queue;
    for (Activation f : Activation.values()) {
      String name = f.name().toLowerCase(Locale.ROOT);
      kernels.put(
          f,
          new Kernels(
              queue.kernels(name),
              queue.kernels(name + "_backward"),
              queue.kernels("gated_" + name),
              queue.kernels("gated_" + name + "_backward")));
    }
  }

  @Override
  public void forward(Activation f, Tensor x, Tensor y) {
    run("activation: x, y", kernels.get(f).forward(), x, y);
  }

  @Override
  public void backward(Activation f, Tensor x, Tensor dy, Tensor dx) {
    run("activation backward: x, dy, dx", kernels.get(f).backward(), x, dy, dx);
  }

  @Override
  public void gated(Activation f, Tensor gate, Tensor up, Tensor y) {
    run("gated activation: gate, up, y", kernels.get(f).gated(), gate, up, y);
  }

  @Override
  public void gatedBackward(
      Activation f, Tensor gate, Tensor up, Tensor dy, Tensor dgate, Tensor dup) {
    run(
        "gated activation backward: gate, up, dy, dgate, dup",
        kernels.get(f).gatedBackward(),
        gate,
        up,
        dy,
        dgate,
        dup);
  }

  private void run(String names, ByType kernel, Tensor first, Tensor... others) {
    long n = Doors.equalSizes(names, first, others);
    DType type = Doors.equalTypes(names, first, others);
    if (n == 0) {
      return;
    }
    Launch launch = queue.overElements(kernel.of(type), n);
    ArgumentBlock arguments = launch.arguments().tensor(first);
    for (Tensor other : others) {
      arguments.tensor(other);
    }
    arguments.int64(n);
    queue.run(launch);
  }
}
