package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import java.util.ArrayList;
import java.util.List;

/**
 * Whole training steps of perceptrons, sparse ones in turn with the dense one of their size, so
 * that a machine whose speed wavers treats all alike: {@code images} in images/s, against the dense
 * one's.
 */
public final class MlpBench {
  private static final String SUITE = "mlp";

  private final BenchDevice device;
  private final int warmUp;
  private final int runs;

  /**
   * @param runs measured steps of each case
   */
  public MlpBench(BenchDevice device, int runs) {
    this(device, 10 * runs, runs);
  }

  /**
   * @param warmUp steps before; on a CPU the compiler needs some thousand calls of each loop
   */
  MlpBench(BenchDevice device, int warmUp, int runs) {
    this.device = device;
    this.warmUp = warmUp;
    this.runs = runs;
  }

  /** Some quarter of a minute on two cores. */
  public List<BenchRow> run() {
    List<BenchRow> rows = new ArrayList<>(run(MlpCase.SMALL));
    rows.addAll(run(MlpCase.LARGE));
    return rows;
  }

  /** The first case is the others' baseline. */
  private List<BenchRow> run(List<MlpCase> cases) {
    List<WholeStep> steps = new ArrayList<>();
    try {
      Backend backend = device.backend();
      cases.forEach(which -> steps.add(which.step(backend)));
      return rows(cases, imagesPerSecond(steps));
    } finally {
      steps.forEach(WholeStep::close);
    }
  }

  private double[][] imagesPerSecond(List<WholeStep> steps) {
    double[][] rates = new double[steps.size()][runs];
    for (int i = -warmUp; i < runs; i++) {
      for (int which = 0; which < steps.size(); which++) {
        long start = System.nanoTime();
        steps.get(which).run();
        // The warm-up's rates are overwritten.
        rates[which][Math.max(i, 0)] = MlpCase.BATCH / ((System.nanoTime() - start) * 1e-9);
      }
    }
    return rates;
  }

  private List<BenchRow> rows(List<MlpCase> cases, double[][] rates) {
    double dense = BenchRow.median(rates[0]);
    List<BenchRow> rows = new ArrayList<>();
    for (int i = 0; i < cases.size(); i++) {
      Double baseline = i == 0 ? null : (Double) dense;
      String name = cases.get(i).name();
      rows.add(
          BenchRow.ofRate(SUITE, name, "images", "images/s", rates[i], baseline)
              .on(device.words()));
    }
    return rows;
  }
}
