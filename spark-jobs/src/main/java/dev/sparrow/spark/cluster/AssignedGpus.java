package dev.sparrow.spark.cluster;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.resource.ResourceInformation;
import scala.jdk.javaapi.CollectionConverters;

/**
 * The GPUs that Spark gave tasks and driver, by the addresses that the discovery script printed. A
 * rank has one GPU: one address a task.
 */
public final class AssignedGpus {
  /** Of a task; a share, such as 0.5, puts several tasks on one GPU. */
  static final String TASK_AMOUNT = "spark.task.resource.gpu.amount";

  static final String EXECUTOR_AMOUNT = "spark.executor.resource.gpu.amount";

  public static final String DRIVER_AMOUNT = "spark.driver.resource.gpu.amount";

  private static final String RESOURCE = "gpu";
  private static final String UUID_PREFIX = "GPU-";

  private AssignedGpus() {}

  /** Whether each task is to get GPUs. */
  public static boolean areForTasks(SparkConf conf) {
    return amount(conf, TASK_AMOUNT) > 0;
  }

  static double amount(SparkConf conf, String key) {
    return conf.getDouble(key, 0);
  }

  /**
   * @return the address of the task's GPU; empty where Spark gave it none
   * @throws IllegalArgumentException where it was given several
   */
  public static Optional<String> ofTask(TaskContext context) {
    List<String> addresses = addresses(context.resourcesJMap());
    if (addresses.size() > 1) {
      throw new IllegalArgumentException(
          TASK_AMOUNT
              + ": expected 1, one GPU a rank, got the "
              + addresses.size()
              + " addresses "
              + addresses
              + " for one task; set "
              + TASK_AMOUNT
              + "=1 and as many cluster.ranks as GPUs");
    }
    return addresses.stream().findFirst();
  }

  /**
   * @return the address of the driver's first GPU; empty where it was given none
   */
  public static Optional<String> ofDriver(SparkContext context) {
    return addresses(CollectionConverters.asJava(context.resources())).stream().findFirst();
  }

  private static List<String> addresses(Map<String, ResourceInformation> resources) {
    ResourceInformation gpus = resources.get(RESOURCE);
    return gpus == null ? List.of() : List.of(gpus.addresses());
  }

  /**
   * Called by every rank of the stage with its own address.
   *
   * @return {@code host address} of each rank, in their order
   * @throws IllegalArgumentException on every rank, where two have the same GPU
   */
  public static List<String> ofAllRanks(BarrierTaskContext context, String own) {
    String host = SparkEnv.get().blockManager().blockManagerId().host();
    List<String> all = List.of(context.allGather(host + " " + own));
    requireDistinct(all);
    return all;
  }

  /** By UUID alone: in two containers of one host the ordinal 0 may mean two GPUs. */
  static void requireDistinct(List<String> all) {
    Map<String, Integer> ranks = new HashMap<>();
    for (int rank = 0; rank < all.size(); rank++) {
      String address = all.get(rank).substring(all.get(rank).indexOf(' ') + 1);
      Integer other = address.startsWith(UUID_PREFIX) ? ranks.put(address, rank) : null;
      if (other != null) {
        throw new IllegalArgumentException(
            "GPU address "
                + address
                + ": expected one rank on it, got ranks "
                + other
                + " and "
                + rank
                + " ("
                + all.get(rank)
                + "); let the discovery script print only the GPUs that are the executor's own, or"
                + " give one executor all GPUs of its host with "
                + EXECUTOR_AMOUNT);
      }
    }
  }
}
