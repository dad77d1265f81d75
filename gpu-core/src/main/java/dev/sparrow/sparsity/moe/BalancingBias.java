package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Buffer;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;

/**
 * Loss-free balancing (Wang et al. 2024): a bias added to the probabilities for the choice alone,
 * moved after each step by {@code b_e += u·sign(mean load - load_e)}. The loads are those of the
 * whole global batch, summed over micro-batches here and over ranks by {@link MoeMethod}, so the
 * bias is the same on every rank.
 */
public final class BalancingBias {
  private final Backend backend;
  private final Buffer buffer;
  private final double step;
  private final float[] host;
  private final Tensor load; // I32 (E), since the last step
  private final int[] hostLoad;

  BalancingBias(Backend backend, String name, int experts, double step) {
    this.backend = backend;
    this.step = step;
    this.host = new float[experts];
    this.load = backend.allocate(DType.I32, Shape.of(experts));
    this.hostLoad = new int[experts];
    this.buffer = new Buffer(name, backend.allocate(experts));
  }

  /** (E), saved with the model. */
  public Buffer buffer() {
    return buffer;
  }

  /** Adds a micro-batch's loads, I32 (E), on the device. */
  void count(Tensor micro) {
    backend.routing().addLoad(micro, load);
  }

  /** Moves this rank's loads since the last step into {@code sums} from {@code start} on. */
  void takeLoad(double[] sums, int start) {
    backend.downloadSync(load, hostLoad, 0);
    for (int e = 0; e < hostLoad.length; e++) {
      sums[start + e] = hostLoad[e];
    }
    backend.elementwise().fill(load, 0);
  }

  /** One update from the loads of all ranks; reads the buffer anew, which a resume may have set. */
  void update(double[] sums, int start) {
    Tensor bias = buffer.value();
    backend.downloadSync(bias, host, 0);
    double mean = 0;
    for (int e = 0; e < host.length; e++) {
      mean += sums[start + e] / host.length;
    }
    for (int e = 0; e < host.length; e++) {
      host[e] += (float) (step * Math.signum(mean - sums[start + e]));
    }
    backend.upload(host, 0, bias);
  }
}
