package dev.sparrow.spark.cluster;

import dev.sparrow.config.Train.BackendChoice;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.resource.ResourceProfile;

/** What must hold before a barrier stage is worth starting. */
public final class ClusterChecks {
  private static final String TASK_AMOUNT = AssignedGpus.TASK_AMOUNT;
  private static final String EXECUTOR_AMOUNT = AssignedGpus.EXECUTOR_AMOUNT;
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
   * Whether all tasks run in the driver's own JVM; {@code local-cluster} starts executors and is
   * none of these.
   */
  public static boolean isLocal(SparkConf conf) {
    return conf.get("spark.master", "").matches("local(\\[.*])?");
  }

  /**
   * One GPU a rank, where ranks are to compute on GPUs or executors ask for some.
   *
   * @throws IllegalStateException with the settings to add
   */
  public static void requireGpus(SparkConf conf, BackendChoice backend) {
    if (isLocal(conf)) {
      requireNoneOfSpark(conf);
    } else if (backend != BackendChoice.CPU) {
      requireOneATask(conf, backend);
    }
  }

  /** Spark accepts such settings on a local master, and then starts no task. */
  private static void requireNoneOfSpark(SparkConf conf) {
    if (AssignedGpus.areForTasks(conf)) {
      throw new IllegalStateException(
          TASK_AMOUNT
              + ": expected none on "
              + conf.get("spark.master")
              + ", where Spark has no GPUs for tasks and would wait for them, got "
              + conf.get(TASK_AMOUNT)
              + "; leave it out and set train.backend=cuda: rank r then takes GPU r");
    }
  }

  private static void requireOneATask(SparkConf conf, BackendChoice backend) {
    double amount = AssignedGpus.amount(conf, TASK_AMOUNT);
    double executors = AssignedGpus.amount(conf, EXECUTOR_AMOUNT);
    if (amount > 0 && amount != 1) {
      throw refused("got " + conf.get(TASK_AMOUNT) + "; set " + TASK_AMOUNT + "=1");
    }
    if (amount == 0 && executors > 0) {
      throw refused(
          "got nothing, though executors ask for GPUs ("
              + EXECUTOR_AMOUNT
              + " = "
              + conf.get(EXECUTOR_AMOUNT)
              + "); set "
              + TASK_AMOUNT
              + "=1");
    }
    if (amount == 0 && backend == BackendChoice.CUDA) {
      throw refused(
          "got nothing; set "
              + TASK_AMOUNT
              + "=1, "
              + EXECUTOR_AMOUNT
              + " and a discovery script as in conf/spark-gpu.conf");
    }
  }

  private static IllegalStateException refused(String gotAndCure) {
    return new IllegalStateException(
        TASK_AMOUNT
            + ": expected 1, one GPU a rank, "
            + gotAndCure
            + ", or choose the CPU with train.backend=cpu");
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
              + (AssignedGpus.areForTasks(context.conf()) ? " and a GPU" : "")
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
