package dev.sparrow.spark.bench;

import dev.sparrow.config.RunConfig;
import dev.sparrow.config.ScheduleSettings;
import java.util.ArrayList;
import java.util.List;

/** A task of the low-rank benchmark in one form. */
record CuttlefishCase(CuttlefishTask task, LowRankForm form) implements SeedRuns.Case {
  @Override
  public String name() {
    return task.word() + ", " + form.label();
  }

  @Override
  public String pace() {
    return task.word();
  }

  /**
   * @param share of the recipe's steps, its warm-up and milestones with them, in (0, 1]
   * @param more settings
   */
  RunConfig config(long seed, double share, String... more) {
    Recipe recipe = task.recipe();
    List<String> settings = new ArrayList<>(form.settings());
    settings.add("train.seed=" + seed);
    if (share < 1) {
      RunConfig whole = recipe.with(List.of());
      ScheduleSettings schedule = whole.schedule();
      settings.add("train.steps=" + shorter(whole.train().steps(), share));
      settings.add("schedule.warmup-steps=" + (long) (share * schedule.warmupSteps()));
      settings.add(
          "schedule.milestones="
              + schedule.milestones().stream().map(step -> shorter(step, share)).toList());
    }
    settings.addAll(List.of(more));
    return recipe.with(settings);
  }

  private static long shorter(long steps, double share) {
    return Math.max(1, Math.round(share * steps));
  }
}
