package dev.sparrow.sparsity.uniform;

import dev.sparrow.config.Uniform;

/** When patterns change, and how much. Steps are updates done. */
final class PruningSchedule {
  private final Uniform settings;
  private final long begin;
  private final long end;

  /**
   * @param steps of the whole run
   */
  PruningSchedule(Uniform settings, long steps) {
    this.settings = settings;
    this.begin = settings.beginStep();
    this.end = settings.lastUpdate(steps);
  }

  /**
   * Whether patterns change when so many updates are done: at the first step after {@code begin},
   * every so many steps from then on, and at the end of gradual pruning.
   */
  boolean changesAfter(long step) {
    switch (settings.schedule()) {
      case STATIC:
        return false;
      case GRADUAL:
        long first = Math.max(1, begin);
        long last = Math.max(first, end);
        return step >= first
            && step <= last
            && (step == last || (step - first) % settings.updateEvery() == 0);
      default:
        return step > begin && step < end && (step - begin) % settings.updateEvery() == 0;
    }
  }

  /**
   * Density on the way from 1 to {@code last}: {@code s_t = s_f·(1 - (1 - (t - t0)/(t1 - t0))³)}
   * (Zhu and Gupta 2017, eq. 1, from 0).
   */
  double density(double last, long step) {
    double done = step >= end ? 1 : Math.max(0, (double) (step - begin) / (end - begin));
    double left = 1 - done;
    return 1 - (1 - last) * (1 - left * left * left);
  }

  /** {@code α/2·(1 + cos(πt/T_end))} (Evci et al. 2020, §3). */
  double dropFraction(long step) {
    return settings.dropFraction() / 2 * (1 + Math.cos(Math.PI * step / end));
  }
}
