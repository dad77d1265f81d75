package dev.sparrow.bench;

import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.DoubleUnaryOperator;

/**
 * Whole training steps of language models on one batch of random tokens.
 *
 * <ul>
 *   <li>{@code tokens} in tokens/s; against a peer's where one is given
 *   <li>{@code matmul_of_<product>}: FLOP/s of the model's products, against the rate of large
 *       products in the same process, measured before and after; on a GPU the ratio is the model
 *       FLOPs utilisation. A token counts 6 for each weight that its products meet (the active ones
 *       of a mixture of experts; no look-up, norm or bias), and causal attention at the half of the
 *       scores that is needed, {@code 6·layers·(context + 1)·width}
 *   <li>{@code tokens_of_dense}: a mixture's or sparse model's tokens/s against those of the dense
 *       case of its shape; the mixtures do the same work per token
 * </ul>
 *
 * With a {@link BatchFeed} as many steps on its batches follow, and two rows more say what reading
 * costs:
 *
 * <ul>
 *   <li>{@code tokens_of_fixed_batch}: tokens/s of the fed steps against those of the others
 *   <li>{@code data_wait}: the share of the fed steps' time in which no batch was there, over all
 *       of them together, minimum and maximum over single ones. A step ends with a wait for its
 *       loss, so for all of that time the device has nothing to do. Checking and uploading ids,
 *       which both kinds of step do, are not part of it
 * </ul>
 */
public final class LmBench {
  private static final String SUITE = "lm";

  private final BenchDevice device;
  private final Map<String, Double> peerTokensPerSecond;
  private final BatchFeed feed; // null: none

  /**
   * @param peerTokensPerSecond what another framework reached on this machine, by case; a case
   *     without one has no baseline
   */
  public LmBench(BenchDevice device, Map<String, Double> peerTokensPerSecond) {
    this(device, peerTokensPerSecond, null);
  }

  private LmBench(BenchDevice device, Map<String, Double> peerTokensPerSecond, BatchFeed feed) {
    this.device = device;
    this.peerTokensPerSecond = Map.copyOf(peerTokensPerSecond);
    this.feed = feed;
  }

  /** The same with steps on batches that are read meanwhile. */
  public LmBench fedBy(BatchFeed feed) {
    return new LmBench(device, peerTokensPerSecond, feed);
  }

  /** The device's cases; some half a minute on two cores. */
  public List<BenchRow> run() {
    return run(device.languageModels());
  }

  /** The rows of each case. */
  public List<BenchRow> run(List<LmCase> cases) {
    List<Measured> all = cases.stream().map(this::measure).toList();
    List<BenchRow> rows = new ArrayList<>();
    for (Measured measured : all) {
      addRows(measured, dense(measured.lm(), all), rows);
    }
    return rows;
  }

  /** The dense case that one of another method stands beside. */
  private static Optional<Measured> dense(LmCase lm, List<Measured> all) {
    return all.stream()
        .filter(other -> !lm.isDense() && other.lm().isDense() && other.lm().isOfTheSizeOf(lm))
        .findFirst();
  }

  /**
   * Times of one case's steps.
   *
   * @param flops of a step's products
   * @param products the rate of large ones
   * @param fixed seconds of each step on the fixed batch
   * @param fed seconds of each step on the feed's batches, empty without one
   * @param waits the part of {@code fed} that was spent waiting for the batch
   */
  private record Measured(
      LmCase lm, double flops, double products, double[] fixed, double[] fed, double[] waits) {
    double[] tokensPerSecond() {
      return map(fixed, seconds -> lm.tokens() / seconds);
    }
  }

  private Measured measure(LmCase lm) {
    double before = device.products().measure();
    double[] fixed = new double[lm.runs()];
    double[] fed = new double[feed == null ? 0 : lm.runs()];
    double[] waits = new double[fed.length];
    double flops;
    try (WholeStep step = lm.step(device.backend());
        BatchSource source = feed == null ? null : feed.open(lm, device.backend()::hostInts)) {
      flops = step.matmulFlops();
      for (int i = -lm.warmUp(); i < lm.runs(); i++) {
        int run = Math.max(i, 0); // the warm-up's times are overwritten
        fixed[run] = time(step::run);
      }
      if (source != null) {
        time(step, source, lm, fed, waits);
      }
    }
    double after = device.products().measure();
    return new Measured(lm, flops, (before + after) / 2, fixed, fed, waits);
  }

  /** Fed steps alone, so that the source has no more time for a batch than in training. */
  private static void time(
      WholeStep step, BatchSource source, LmCase lm, double[] fed, double[] waits) {
    Batch[] batch = new Batch[1];
    for (int i = -lm.warmUp(); i < lm.runs(); i++) {
      int run = Math.max(i, 0);
      waits[run] = time(() -> batch[0] = source.next());
      fed[run] = waits[run] + time(() -> step.run(batch[0]));
    }
  }

  /** Seconds that something takes. */
  private static double time(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) * 1e-9;
  }

  private void addRows(Measured measured, Optional<Measured> dense, List<BenchRow> rows) {
    LmCase lm = measured.lm();
    double[] tokens = measured.tokensPerSecond();
    rows.add(rate(lm, "tokens", "tokens/s", tokens, peerTokensPerSecond.get(lm.name())));
    FlopUnit unit = device.products().unit();
    double[] rates = map(measured.fixed(), seconds -> unit.rate(measured.flops(), seconds));
    String products = "matmul_of_" + device.products().name();
    rows.add(rate(lm, products, unit.words(), rates, measured.products()));
    dense.ifPresent(
        other -> {
          double baseline = BenchRow.median(other.tokensPerSecond());
          rows.add(rate(lm, "tokens_of_dense", "tokens/s", tokens, baseline));
        });
    if (measured.fed().length > 0) {
      double[] fed = map(measured.fed(), seconds -> lm.tokens() / seconds);
      rows.add(rate(lm, "tokens_of_fixed_batch", "tokens/s", fed, BenchRow.median(tokens)));
      rows.add(dataWait(measured));
    }
  }

  private BenchRow dataWait(Measured measured) {
    double[] shares = new double[measured.fed().length];
    Arrays.setAll(shares, i -> measured.waits()[i] / measured.fed()[i]);
    return new BenchRow(
        SUITE,
        measured.lm().name(),
        "data_wait",
        Arrays.stream(measured.waits()).sum() / Arrays.stream(measured.fed()).sum(),
        "share",
        null,
        null,
        shares.length,
        Arrays.stream(shares).min().orElseThrow(),
        Arrays.stream(shares).max().orElseThrow(),
        device.words());
  }

  private BenchRow rate(LmCase lm, String metric, String unit, double[] values, Double baseline) {
    return BenchRow.ofRate(SUITE, lm.name(), metric, unit, values, baseline).on(device.words());
  }

  private static double[] map(double[] values, DoubleUnaryOperator function) {
    return Arrays.stream(values).map(function).toArray();
  }
}
