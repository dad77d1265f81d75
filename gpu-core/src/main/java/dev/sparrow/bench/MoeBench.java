package dev.sparrow.bench;

import dev.sparrow.config.Moe.Dispatch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Forward and backward pass of one mixture-of-experts feed-forward. On CPUs: 4096 tokens, width
 * 256, 1024 columns inside, GELU, fp32. On GPUs: 32768 tokens, width 4096, 1024 columns inside,
 * gated SILU, 64 experts of which a token takes four, bf16. The cases of a group alternate pass by
 * pass in one process, with rounds of large products between, so that all see the same machine.
 *
 * <ul>
 *   <li>{@code time} in ms; against the peer's where one is given
 *   <li>{@code rate}, FLOP/s of the assignments' products (padding is not work), against the rate
 *       of large products
 *   <li>{@code forward_rate} and {@code backward_rate}, on GPUs: the same of each half
 *   <li>{@code routing_share}: routing, sorting and permutation in the pass's time
 *   <li>{@code uniform_time}: time against that of the group's first case, which is uniform
 *   <li>{@code dropped}: assignments that the capacity factor 1.25 leaves out
 * </ul>
 */
public final class MoeBench {
  private static final String SUITE = "moe";
  private static final int ROUNDS = 3;
  private static final long SEED = 1;

  private final BenchDevice device;
  private final int runs;
  private final Map<String, Double> peerMillis;

  /**
   * @param runs measured passes of each case
   * @param peerMillis another system's milliseconds by case name; may be empty
   */
  public MoeBench(BenchDevice device, int runs, Map<String, Double> peerMillis) {
    if (runs < 1) {
      throw new IllegalArgumentException("bench moe: expected at least 1 run, got " + runs);
    }
    this.device = device;
    this.runs = runs;
    this.peerMillis = Map.copyOf(peerMillis);
  }

  /** All rows of all the device's cases. */
  public List<BenchRow> run() {
    List<BenchRow> rows = new ArrayList<>();
    for (List<MoeBenchCase> group : device.mixtures()) {
      rows.addAll(run(group));
    }
    return rows;
  }

  private List<BenchRow> run(List<MoeBenchCase> group) {
    List<MoeBenchLayer> layers = new ArrayList<>();
    try {
      for (MoeBenchCase moe : group) {
        layers.add(new MoeBenchLayer(device, moe, SEED));
      }
      for (int i = 0; i < group.get(0).sizes().warmUp(); i++) {
        layers.forEach(MoeBenchLayer::warmUp);
      }
      double products = measure(layers);
      List<BenchRow> rows = new ArrayList<>();
      layers.forEach(layer -> rows.addAll(rows(layer, layers.get(0), products)));
      return rows;
    } finally {
      layers.forEach(MoeBenchLayer::close);
    }
  }

  /** Returns the median rate of the large products between the passes. */
  private double measure(List<MoeBenchLayer> layers) {
    double[] rates = new double[ROUNDS + 1];
    rates[ROUNDS] = device.products().measure();
    for (int round = 0; round < ROUNDS; round++) {
      for (int i = runs * round / ROUNDS; i < runs * (round + 1) / ROUNDS; i++) {
        layers.forEach(MoeBenchLayer::measure);
      }
      rates[round] = device.products().measure();
    }
    return BenchRow.median(rates);
  }

  private List<BenchRow> rows(MoeBenchLayer layer, MoeBenchLayer uniform, double products) {
    List<BenchRow> rows = new ArrayList<>();
    String name = layer.moe().name();
    double[] millis = layer.millis();
    double flops = layer.forwardFlops();
    boolean drops = layer.moe().dispatch() == Dispatch.CAPACITY;
    rows.add(cost(name, "time", "ms", millis, peerMillis.get(name)));
    if (!drops) {
      rows.add(rate(name, "rate", 3 * flops, millis, products));
    }
    if (device.queues()) {
      rows.add(rate(name, "forward_rate", flops, layer.forwardMillis(), products));
      rows.add(rate(name, "backward_rate", 2 * flops, layer.backwardMillis(), products));
    }
    rows.add(cost(name, "routing_share", "share", layer.routingShares(), null));
    if (layer != uniform) {
      rows.add(cost(name, "uniform_time", "ms", millis, BenchRow.median(uniform.millis())));
    }
    if (drops) {
      double[] dropped = {layer.figures().get("dropped_tokens")};
      rows.add(cost(name, "dropped", "assignments", dropped, null));
    }
    return rows;
  }

  private BenchRow rate(
      String name, String metric, double flops, double[] millis, double products) {
    FlopUnit unit = device.products().unit();
    double[] rates = Arrays.stream(millis).map(ms -> unit.rate(flops, ms * 1e-3)).toArray();
    return BenchRow.ofRate(SUITE, name, metric, unit.words(), rates, products).on(device.words());
  }

  private BenchRow cost(String name, String metric, String unit, double[] values, Double baseline) {
    return BenchRow.ofCost(SUITE, name, metric, unit, values, baseline).on(device.words());
  }
}
