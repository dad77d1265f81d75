package dev.sparrow.bench;

import dev.sparrow.backend.cpu.CpuPool;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Whole training steps of language models: tokens per second against a peer's, and the products'
 * GFLOP/s against what the same process's matrix library gives on large matrices. Causal attention
 * is counted at the half of the scores that is needed.
 */
public final class LmBench {
  private static final String SUITE = "lm";

  private final int threads;
  private final Map<String, Double> peerTokensPerSecond;

  /**
   * @param threads of the rank
   * @param peerTokensPerSecond what another framework reached on this machine, by case; a case
   *     without one has no baseline
   */
  public LmBench(int threads, Map<String, Double> peerTokensPerSecond) {
    this.threads = threads;
    this.peerTokensPerSecond = Map.copyOf(peerTokensPerSecond);
  }

  /** gpt-small and gpt-medium; some half a minute on two cores. */
  public List<BenchRow> run() {
    return run(List.of(LmCase.GPT_SMALL, LmCase.GPT_MEDIUM));
  }

  /** Two rows for each case. */
  public List<BenchRow> run(List<LmCase> cases) {
    List<BenchRow> rows = new ArrayList<>();
    for (LmCase lm : cases) {
      rows.addAll(measure(lm));
    }
    return rows;
  }

  private List<BenchRow> measure(LmCase lm) {
    double before = sgemmRate();
    double[] tokensPerSecond = new double[lm.runs()];
    double[] gigaflops = new double[lm.runs()];
    try (LmStep step = new LmStep(lm, threads)) {
      for (int i = -lm.warmUp(); i < lm.runs(); i++) {
        long start = System.nanoTime();
        step.run();
        double seconds = (System.nanoTime() - start) * 1e-9;
        if (i >= 0) {
          tokensPerSecond[i] = lm.tokens() / seconds;
          gigaflops[i] = step.matmulFlops() / seconds * 1e-9;
        }
      }
    }
    double sgemm = (before + sgemmRate()) / 2;
    Double peer = peerTokensPerSecond.get(lm.name());
    return List.of(
        BenchRow.ofRate(SUITE, lm.name(), "tokens", "tokens/s", tokensPerSecond, peer),
        BenchRow.ofRate(SUITE, lm.name(), "matmul_of_sgemm", "GFLOP/s", gigaflops, sgemm));
  }

  private double sgemmRate() {
    try (CpuPool pool = new CpuPool(threads)) {
      return SgemmRate.measure(pool);
    }
  }
}
