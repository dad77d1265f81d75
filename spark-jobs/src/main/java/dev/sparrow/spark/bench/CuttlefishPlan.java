package dev.sparrow.spark.bench;

import java.util.List;

/**
 * What the low-rank benchmark runs.
 *
 * @param seeds from 1 on
 * @param share of each recipe's steps, in (0, 1]
 */
public record CuttlefishPlan(
    List<CuttlefishTask> tasks, List<LowRankForm> forms, int seeds, double share) {
  private static final int SEEDS = 3;
  private static final double REDUCED_SHARE = 0.5;

  private static final List<LowRankForm> AGAINST_FULL_RANK =
      List.of(LowRankForm.FULL, LowRankForm.AUTO);

  public CuttlefishPlan {
    tasks = List.copyOf(tasks);
    forms = List.copyOf(forms);
    if (!forms.containsAll(AGAINST_FULL_RANK)) {
      throw new IllegalArgumentException("forms: expected " + AGAINST_FULL_RANK + ", got " + forms);
    }
    if (seeds < 1) {
      throw new IllegalArgumentException("seeds: expected 1 or more, got " + seeds);
    }
  }

  /**
   * On a CPU three seeds in every form, reduced to one seed in two forms and half of the steps; on
   * a GPU one seed in two forms.
   *
   * @param asked instead of the usual ones; may be empty
   */
  public static CuttlefishPlan of(boolean gpu, boolean reduced, List<CuttlefishTask> asked) {
    List<CuttlefishTask> usual =
        gpu
            ? List.of(CuttlefishTask.RESNET18)
            : reduced
                ? List.of(CuttlefishTask.MLP, CuttlefishTask.GPT)
                : List.of(
                    CuttlefishTask.MLP,
                    CuttlefishTask.RESNET,
                    CuttlefishTask.VIT,
                    CuttlefishTask.GPT);
    List<CuttlefishTask> tasks = asked.isEmpty() ? usual : asked;
    double share = reduced ? REDUCED_SHARE : 1;
    return gpu || reduced
        ? new CuttlefishPlan(tasks, AGAINST_FULL_RANK, 1, share)
        : new CuttlefishPlan(tasks, List.of(LowRankForm.values()), SEEDS, share);
  }

  /**
   * @param count of seeds, >= 1
   */
  public CuttlefishPlan withSeeds(int count) {
    return new CuttlefishPlan(tasks, forms, count, share);
  }

  /** All forms of a task before the next task. */
  List<CuttlefishCase> cases() {
    return tasks.stream()
        .flatMap(task -> forms.stream().map(form -> new CuttlefishCase(task, form)))
        .toList();
  }
}
