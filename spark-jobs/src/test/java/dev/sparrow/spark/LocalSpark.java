package dev.sparrow.spark;

import org.apache.spark.sql.SparkSession;

/** The session that all tests of a JVM share: two threads, nothing written outside target. */
public final class LocalSpark {
  private LocalSpark() {}

  private static final class Holder {
    static final SparkSession SESSION =
        SparkSession.builder()
            .master("local[2]")
            .appName("sparrow-tests")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.driver.host", "localhost")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.warehouse.dir", "target/spark-warehouse")
            .getOrCreate();
  }

  public static SparkSession session() {
    return Holder.SESSION;
  }
}
