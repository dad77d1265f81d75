package dev.sparrow.optim;

import dev.sparrow.config.ScheduleSettings;

/** The learning rate of each update. */
@FunctionalInterface
public interface LearningRateSchedule {
  /**
   * @param done updates done before this one, from 0
   */
  double rate(long done);

  /**
   * Linear warm-up {@code peak·(done + 1)/warmup}, whose last update has the peak, then the named
   * curve over the share p of the remaining steps:
   *
   * <ul>
   *   <li>cosine (Loshchilov & Hutter 2017): {@code peak·(f + (1-f)·(1 + cos(π·p))/2)}
   *   <li>linear: {@code peak·(1 - (1-f)·p)}
   *   <li>constant: {@code peak}
   *   <li>step: {@code peak·factor^k}, k the milestones at or below {@code done}
   * </ul>
   *
   * with f the final share. Past the last step the rate stays where it ended.
   *
   * @param steps updates of the whole run
   */
  static LearningRateSchedule of(ScheduleSettings settings, double peak, long steps) {
    LearningRateSchedule curve = curve(settings, peak, steps);
    int warmup = settings.warmupSteps();
    return done -> done < warmup ? peak * (done + 1) / warmup : curve.rate(done);
  }

  private static LearningRateSchedule curve(ScheduleSettings settings, double peak, long steps) {
    double end = settings.finalShare();
    return switch (settings.name()) {
      case COSINE ->
          done ->
              peak * (end + (1 - end) * (1 + Math.cos(Math.PI * share(done, settings, steps))) / 2);
      case LINEAR -> done -> peak * (1 - (1 - end) * share(done, settings, steps));
      case CONSTANT -> done -> peak;
      case STEP -> done -> peak * Math.pow(settings.stepFactor(), passed(settings, done));
    };
  }

  private static double share(long done, ScheduleSettings settings, long steps) {
    long warmup = settings.warmupSteps();
    return steps <= warmup ? 1 : Math.min(1, (double) (done - warmup) / (steps - warmup));
  }

  private static int passed(ScheduleSettings settings, long done) {
    int passed = 0;
    for (int milestone : settings.milestones()) {
      if (milestone <= done) {
        passed++;
      }
    }
    return passed;
  }
}
