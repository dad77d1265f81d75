package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.CudaSettings;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.CudaBackend;
import dev.sparrow.backend.cuda.CudaUnavailableException;
import dev.sparrow.config.RunConfig;
import dev.sparrow.config.Train;
import dev.sparrow.config.Train.BackendChoice;
import dev.sparrow.model.ModelSummary;
import dev.sparrow.spark.cluster.AssignedGpus;
import dev.sparrow.spark.cluster.ClusterChecks;
import java.util.List;
import java.util.Optional;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a rank computes on, as {@code train.backend} says: all backends are opened here. A GPU that
 * was asked for or assigned and cannot be had is a failure, never answered by the CPU.
 *
 * @param gpu the GPU's address; empty on the CPU
 */
public record RankBackend(Backend backend, Optional<String> gpu) implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RankBackend.class);

  private static final String FIRST_GPU = "0";

  /**
   * A task's. Opened, used and closed on the task's thread.
   *
   * @throws JobException naming rank, host, cause and cure where its GPU cannot be had
   */
  static RankBackend open(RunConfig config, TaskContext context) {
    Optional<String> gpu = gpu(config.train().backend(), context);
    int threads = threads(config, context);
    Backend backend =
        gpu.isPresent()
            ? onGpu(gpu.get(), config.train().cuda(), threads, context)
            : new CpuBackend(threads);
    gpu.ifPresent(
        address ->
            LOG.info("{} computes on GPU {}: {}", rank(context), address, backend.description()));
    return new RankBackend(backend, gpu);
  }

  private static Optional<String> gpu(BackendChoice choice, TaskContext context) {
    return switch (choice) {
      case CPU -> Optional.empty();
      case AUTO -> AssignedGpus.ofTask(context);
      case CUDA -> Optional.of(AssignedGpus.ofTask(context).orElseGet(() -> ownNumber(context)));
    };
  }

  /** On a local master Spark gives tasks no GPUs, and all ranks see the same ones. */
  private static String ownNumber(TaskContext context) {
    if (!isLocal()) {
      throw new JobException(
          rank(context)
              + ": expected a GPU from Spark for train.backend=cuda, got none; see"
              + " conf/spark-gpu.conf, or choose the CPU with train.backend=cpu");
    }
    return Integer.toString(context.partitionId());
  }

  private static Backend onGpu(
      String address, CudaSettings settings, int threads, TaskContext context) {
    try {
      return CudaBackend.open(address, settings, threads);
    } catch (CudaUnavailableException e) {
      String cure =
          isLocal() && context.partitionId() > 0
              ? "; on a local master rank r takes GPU r, so cluster.ranks is at most the number of"
                  + " GPUs"
              : "";
      throw new JobException(rank(context) + ": " + e.getMessage() + cure, e);
    }
  }

  private static boolean isLocal() {
    return ClusterChecks.isLocal(SparkEnv.get().conf());
  }

  private static String rank(TaskContext context) {
    return "rank "
        + context.partitionId()
        + " on "
        + SparkEnv.get().blockManager().blockManagerId().host();
  }

  /** Threads of a rank: its own setting, or the cores that Spark gives a task. */
  private static int threads(RunConfig config, TaskContext context) {
    return config.train().threads() > 0 ? config.train().threads() : context.cpus();
  }

  /** The driver's, where no ranks are, on all its cores or a GPU, as the settings say. */
  public static Backend onDriver(Train train, Optional<String> gpu) {
    int cores = Runtime.getRuntime().availableProcessors();
    return onDriver(train.backend(), train.cuda(), gpu, cores);
  }

  /**
   * The driver's, where no ranks are: the CPU unless {@code cuda} was asked for.
   *
   * @param gpu address of the GPU that Spark gave the driver; empty: the first one
   * @param threads on the host
   * @throws CudaUnavailableException with cause and cure where that GPU, or a library that the
   *     settings insist on, cannot be had
   */
  public static Backend onDriver(
      BackendChoice choice, CudaSettings cuda, Optional<String> gpu, int threads) {
    return choice == BackendChoice.CUDA
        ? CudaBackend.open(gpu.orElse(FIRST_GPU), cuda, threads)
        : new CpuBackend(threads);
  }

  /** All cores of the driver. */
  static Backend driversCpu() {
    return new CpuBackend(Runtime.getRuntime().availableProcessors());
  }

  /** What ranks will compute on, before there are any. */
  static ModelSummary.Device device(BackendChoice choice, SparkConf conf) {
    boolean gpu =
        switch (choice) {
          case CPU -> false;
          case AUTO -> AssignedGpus.areForTasks(conf);
          case CUDA -> true;
        };
    return gpu ? ModelSummary.Device.GPU : ModelSummary.Device.CPU;
  }

  /**
   * Called by every rank of the stage.
   *
   * @return host and GPU of each rank, in their order; empty where they compute on CPUs
   */
  List<String> gpusOfAllRanks(BarrierTaskContext context) {
    return gpu.isPresent() ? AssignedGpus.ofAllRanks(context, gpu.get()) : List.of();
  }

  @Override
  public void close() {
    backend.close();
  }
}
