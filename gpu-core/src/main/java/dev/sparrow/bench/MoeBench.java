package dev.sparrow.bench;

import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.bench.MoeBenchCase.Load;
import dev.sparrow.config.Moe.Dispatch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Forward and backward pass of one mixture-of-experts feed-forward: 4096 tokens, width 256, 1024
 * columns inside, GELU, fp32. The cases of a group alternate pass by pass in one process, with
 * rounds of the matrix library's own rate between, so that all see the same machine.
 *
 * <ul>
 *   <li>{@code time} in ms; against the peer's where one is given
 *   <li>{@code rate} in GFLOP/s of the assignments' products (padding is not work), against the
 *       large-sgemm rate
 *   <li>{@code routing_share}: routing, sorting and permutation in the pass's time
 *   <li>{@code uniform_time}: time against that of the group's first case, which is uniform
 *   <li>{@code dropped}: assignments that the capacity factor 1.25 leaves out
 * </ul>
 */
public final class MoeBench {
  private static final String SUITE = "moe";
  private static final int WARM_UP = 30;
  private static final long SEED = 1;

  private static final List<List<MoeBenchCase>> GROUPS =
      List.of(
          List.of(
              new MoeBenchCase("e8-top1", 8, 1, Load.UNIFORM, Dispatch.DROPLESS),
              new MoeBenchCase("e8-top1-zipf", 8, 1, Load.ZIPF, Dispatch.DROPLESS),
              new MoeBenchCase("e8-top1-one-expert", 8, 1, Load.ONE, Dispatch.DROPLESS),
              new MoeBenchCase("e8-top1-zipf-capacity", 8, 1, Load.ZIPF, Dispatch.CAPACITY),
              new MoeBenchCase("e8-top1-padded", 8, 1, Load.UNIFORM, Dispatch.PADDED),
              new MoeBenchCase("e8-top1-zipf-padded", 8, 1, Load.ZIPF, Dispatch.PADDED)),
          List.of(
              new MoeBenchCase("e64-top1", 64, 1, Load.UNIFORM, Dispatch.DROPLESS),
              new MoeBenchCase("e64-top1-zipf", 64, 1, Load.ZIPF, Dispatch.DROPLESS),
              new MoeBenchCase("e64-top1-zipf-capacity", 64, 1, Load.ZIPF, Dispatch.CAPACITY)),
          List.of(
              new MoeBenchCase("e64-top2", 64, 2, Load.UNIFORM, Dispatch.DROPLESS),
              new MoeBenchCase("e64-top2-zipf", 64, 2, Load.ZIPF, Dispatch.DROPLESS)));

  private final CpuBackend backend;
  private final int runs;
  private final Map<String, Double> peerMillis;

  /**
   * @param runs measured passes of each case
   * @param peerMillis another system's milliseconds by case name; may be empty
   */
  public MoeBench(CpuBackend backend, int runs, Map<String, Double> peerMillis) {
    if (runs < 1) {
      throw new IllegalArgumentException("bench moe: expected at least 1 run, got " + runs);
    }
    this.backend = backend;
    this.runs = runs;
    this.peerMillis = Map.copyOf(peerMillis);
  }

  /** Names of all cases. */
  public static List<String> cases() {
    return GROUPS.stream().flatMap(List::stream).map(MoeBenchCase::name).toList();
  }

  /** All rows of all cases. */
  public List<BenchRow> run() {
    List<BenchRow> rows = new ArrayList<>();
    for (List<MoeBenchCase> group : GROUPS) {
      rows.addAll(run(group));
    }
    return rows;
  }

  private List<BenchRow> run(List<MoeBenchCase> group) {
    List<MoeBenchLayer> layers = new ArrayList<>();
    try {
      for (MoeBenchCase sizes : group) {
        layers.add(new MoeBenchLayer(backend, sizes, SEED));
      }
      for (int i = 0; i < WARM_UP; i++) {
        layers.forEach(MoeBenchLayer::warmUp);
      }
      double sgemm = measure(layers);
      List<BenchRow> rows = new ArrayList<>();
      layers.forEach(layer -> rows.addAll(rows(layer, layers.get(0), sgemm)));
      return rows;
    } finally {
      layers.forEach(MoeBenchLayer::close);
    }
  }

  /** Returns the median of the sgemm rates measured between the passes, in GFLOP/s. */
  private double measure(List<MoeBenchLayer> layers) {
    int rounds = 3;
    double[] rates = new double[rounds + 1];
    rates[rounds] = SgemmRate.measure(backend.pool());
    for (int round = 0; round < rounds; round++) {
      for (int i = runs * round / rounds; i < runs * (round + 1) / rounds; i++) {
        layers.forEach(MoeBenchLayer::measure);
      }
      rates[round] = SgemmRate.measure(backend.pool());
    }
    return BenchRow.median(rates);
  }

  private List<BenchRow> rows(MoeBenchLayer layer, MoeBenchLayer uniform, double sgemm) {
    List<BenchRow> rows = new ArrayList<>();
    String name = layer.sizes().name();
    double[] millis = layer.millis();
    double work = layer.gigaFlops();
    double[] rates = Arrays.stream(millis).map(ms -> work / ms * 1e3).toArray();
    rows.add(time(name, "time", "ms", millis, peerMillis.get(name)));
    if (layer.sizes().dispatch() != Dispatch.CAPACITY) {
      rows.add(BenchRow.ofRate(SUITE, name, "rate", "GFLOP/s", rates, sgemm));
    }
    rows.add(time(name, "routing_share", "share", layer.routingShares(), null));
    if (layer != uniform) {
      double reference = BenchRow.median(uniform.millis());
      rows.add(time(name, "uniform_time", "ms", millis, reference));
    }
    if (layer.sizes().dispatch() == Dispatch.CAPACITY) {
      double[] dropped = {layer.figures().get("dropped_tokens")};
      rows.add(time(name, "dropped", "assignments", dropped, null));
    }
    return rows;
  }

  /** A row of a figure of which less is better. */
  private static BenchRow time(
      String name, String metric, String unit, double[] values, Double baseline) {
    double median = BenchRow.median(values);
    return new BenchRow(
        SUITE,
        name,
        metric,
        median,
        unit,
        baseline,
        baseline == null ? null : baseline / median,
        values.length,
        Arrays.stream(values).min().orElseThrow(),
        Arrays.stream(values).max().orElseThrow(),
        BenchRow.cpu());
  }
}
