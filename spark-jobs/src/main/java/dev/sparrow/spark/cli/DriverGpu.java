package dev.sparrow.spark.cli;

import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.cluster.AssignedGpus;
import java.util.Optional;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;

/** The GPU of commands that compute in the driver. */
final class DriverGpu {
  private DriverGpu() {}

  /**
   * What Spark gave the driver, where it was asked to; only a Spark context knows.
   *
   * @param command that asks, for the application's name
   */
  static Optional<String> address(String command, RunConfig config) throws Exception {
    if (!new SparkConf().contains(AssignedGpus.DRIVER_AMOUNT)) {
      return Optional.empty();
    }
    try (SparkSession spark = Sessions.open(command, config)) {
      return AssignedGpus.ofDriver(spark.sparkContext());
    }
  }
}
