package dev.sparrow.spark.bench;

/**
 * A finished run of the low-rank benchmark.
 *
 * @param validation accuracy or perplexity on held-out training rows after the last step
 * @param test the same on the test rows
 * @param parameters at the end
 * @param startParameters after the first step
 * @param seconds of training, its reading of data, its measurements and its switch included,
 *     validation and test left out
 * @param detectorSeconds of these, those that measurements and the switch took
 * @param switchedAt updates done before factors took over; -1: they never did
 * @param millisBefore mean of the steps before the switch, measurements included; NaN where none
 *     was
 * @param millisAfter mean of the steps after it; NaN where none was
 * @param lowRankLayers matrices with factors at the end
 * @param rankShare mean of their ranks over full rank; NaN where there are none
 */
record CuttlefishRun(
    String name,
    long seed,
    String settings,
    double validation,
    double test,
    long parameters,
    long startParameters,
    double seconds,
    double detectorSeconds,
    long steps,
    long switchedAt,
    double millisBefore,
    double millisAfter,
    long lowRankLayers,
    double rankShare)
    implements SeedRuns.Run {
  boolean hasSwitched() {
    return switchedAt >= 0;
  }
}
