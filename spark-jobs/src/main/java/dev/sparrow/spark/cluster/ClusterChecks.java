package dev.sparrow.spark.cluster;

import org.apache.spark.SparkContext;
import org.apache.spark.resource.ResourceProfile;

/** What must hold before a barrier stage is worth starting. */
public final class ClusterChecks {
  private static final long POLL_MILLIS = 100;

  private ClusterChecks() {}

  /**
   * Dynamic allocation cannot serve a barrier stage (SPARK-24942).
   *
   * @throws IllegalStateException with the cure where it is on
   */
  public static void requireStaticAllocation(SparkContext context) {
    if (context.conf().getBoolean("spark.dynamicAllocation.enabled", false)) {
      throw new IllegalStateException(
          "spark.dynamicAllocation.enabled: expected false, got true; all ranks of a training stage"
              + " start together, so set spark.dynamicAllocation.enabled=false and"
              + " spark.executor.instances");
    }
  }

  /**
   * Number of ranks to start: those asked for, or one a slot. Executors may still be registering,
   * so too few slots are waited for up to spark.scheduler.maxRegisteredResourcesWaitingTime.
   *
   * @param asked ranks; 0: all slots
   * @throws IllegalStateException where fewer slots than ranks come up
   */
  public static int ranks(SparkContext context, int asked) {
    int wanted = Math.max(1, asked);
    long waitSeconds =
        context.isLocal()
            ? 0
            : context
                .conf()
                .getTimeAsSeconds("spark.scheduler.maxRegisteredResourcesWaitingTime", "30s");
    long deadline = System.nanoTime() + waitSeconds * 1_000_000_000L;
    int slots = slots(context);
    while (slots < wanted && System.nanoTime() < deadline) {
      pause();
      slots = slots(context);
    }
    if (slots < wanted) {
      throw new IllegalStateException(
          "cluster.ranks: expected at most the "
              + slots
              + " tasks that Spark can run at once on "
              + context.master()
              + ", got "
              + wanted
              + "; add executors or cores (a rank takes spark.task.cpus = "
              + context.conf().get("spark.task.cpus", "1")
              + "), or lower cluster.ranks");
    }
    return asked == 0 ? slots : asked;
  }

  private static int slots(SparkContext context) {
    ResourceProfile profile = context.resourceProfileManager().defaultResourceProfile();
    return context.maxNumConcurrentTasks(profile);
  }

  private static void pause() {
    try {
      Thread.sleep(POLL_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while executors registered", e);
    }
  }
}
