package dev.sparrow.spark.bench;

/**
 * A finished run of the pruning benchmark, a line of its results file.
 *
 * @param settings digest of all settings and of the data: a run of others is not this one
 * @param validation accuracy on held-out training rows after the last step
 * @param test accuracy on the test rows after the last step
 * @param seconds of training, its reading of data included
 */
record PruningRun(
    String name, long seed, String settings, double validation, double test, double seconds) {
  boolean is(String name, long seed, String settings) {
    return this.name.equals(name) && this.seed == seed && this.settings.equals(settings);
  }
}
