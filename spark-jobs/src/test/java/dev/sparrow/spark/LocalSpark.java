package dev.sparrow.spark;

import dev.sparrow.spark.cluster.RankMessages;
import java.util.Optional;
import org.apache.spark.sql.SparkSession;
import scala.Option;

/**
 * The session that tests of a JVM share: two threads, nothing written outside target. A JVM has one
 * Spark context at a time, so tests that need one of their own stop this; the next call starts it
 * again.
 */
public final class LocalSpark {
  private LocalSpark() {}

  public static SparkSession session() {
    return open().orElseGet(LocalSpark::start);
  }

  private static SparkSession start() {
    return SparkSession.builder()
        .master("local[2]")
        .appName("sparrow-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.host", "localhost")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", "target/spark-warehouse")
        .config("spark.plugins", RankMessages.class.getName())
        .getOrCreate();
  }

  /** Stops whatever session this JVM has. */
  public static void stop() {
    open().ifPresent(SparkSession::stop);
  }

  private static Optional<SparkSession> open() {
    Option<SparkSession> session = SparkSession.getDefaultSession();
    return session.isDefined() && !session.get().sparkContext().isStopped()
        ? Optional.of(session.get())
        : Optional.empty();
  }
}
