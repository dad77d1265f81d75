package dev.sparrow.spark.bench;

/**
 * A finished run of the pruning benchmark.
 *
 * @param validation accuracy on held-out training rows after the last step
 * @param test accuracy on the test rows after the last step
 * @param seconds of training, its reading of data included
 */
record PruningRun(
    String name, long seed, String settings, double validation, double test, double seconds)
    implements SeedRuns.Run {}
