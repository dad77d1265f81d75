package dev.sparrow.bench;

/**
 * How long a product is measured.
 *
 * @param firstWarmUpMillis before anything is measured, until its code is compiled
 * @param warmUpMillis before each further shape and sparsity
 * @param measureMillis least length of a measurement; shorter products are repeated within it
 * @param runs measurements
 */
record SpmmEffort(double firstWarmUpMillis, double warmUpMillis, double measureMillis, int runs) {
  SpmmEffort {
    if (runs < 1) {
      throw new IllegalArgumentException("bench spmm: expected at least 1 run, got " + runs);
    }
  }

  /** For figures to be kept. */
  static SpmmEffort whole(int runs) {
    return new SpmmEffort(600, 60, 20, runs);
  }

  /** After the first shape. */
  SpmmEffort warm() {
    return new SpmmEffort(warmUpMillis, warmUpMillis, measureMillis, runs);
  }
}
