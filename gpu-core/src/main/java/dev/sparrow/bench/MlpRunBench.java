package dev.sparrow.bench;

import java.util.ArrayList;
import java.util.List;

/**
 * Whole runs of perceptrons that become sparse and whose products times decide, pattern updates and
 * timings included, step by step in turn with the dense one of their size: {@code run} in seconds,
 * against the dense one's, and {@code updates}, the share of that time in percent that changing
 * patterns took.
 */
public final class MlpRunBench {
  private static final String SUITE = "mlp";
  private static final double SECONDS_PER_NANO = 1e-9;
  private static final double PERCENT = 100;

  /** Enough for what happens a few times in a run to weigh little more than in a long one. */
  private static final int STEPS = 1000;

  private final BenchDevice device;

  public MlpRunBench(BenchDevice device) {
    this.device = device;
  }

  /** Some five minutes on two cores. */
  public List<BenchRow> run() {
    List<BenchRow> rows = new ArrayList<>(run(MlpCase.smallRuns(STEPS)));
    rows.addAll(run(MlpCase.largeRuns(STEPS)));
    return rows;
  }

  /**
   * @param cases of the same number of steps; the first is the others' baseline
   */
  List<BenchRow> run(List<MlpCase> cases) {
    List<WholeStep> steps = new ArrayList<>();
    try {
      cases.forEach(which -> steps.add(which.step(device.backend())));
      return rows(cases, steps, seconds(steps, cases.get(0).steps()));
    } finally {
      steps.forEach(WholeStep::close);
    }
  }

  private static double[] seconds(List<WholeStep> steps, int count) {
    double[] seconds = new double[steps.size()];
    for (int i = -1; i < count; i++) {
      for (int which = 0; which < seconds.length; which++) {
        long start = System.nanoTime();
        if (i < 0) {
          steps.get(which).begin();
        } else {
          steps.get(which).run();
        }
        seconds[which] += (System.nanoTime() - start) * SECONDS_PER_NANO;
      }
    }
    return seconds;
  }

  private List<BenchRow> rows(List<MlpCase> cases, List<WholeStep> steps, double[] seconds) {
    List<BenchRow> rows = new ArrayList<>();
    for (int i = 0; i < seconds.length; i++) {
      String name = cases.get(i).name();
      Double baseline = i == 0 ? null : (Double) seconds[0];
      rows.add(cost(name, "run", "s", seconds[i], baseline));
      if (i > 0) {
        double share = PERCENT * steps.get(i).figure("pattern_update_seconds") / seconds[i];
        rows.add(cost(name, "updates", "%", share, null));
      }
    }
    return rows;
  }

  private BenchRow cost(String name, String metric, String unit, double value, Double baseline) {
    return BenchRow.ofCost(SUITE, name, metric, unit, new double[] {value}, baseline)
        .on(device.words());
  }
}
