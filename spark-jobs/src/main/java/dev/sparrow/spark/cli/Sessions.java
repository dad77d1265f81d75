package dev.sparrow.spark.cli;

import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.cluster.BarrierStage;
import dev.sparrow.spark.cluster.RankMessages;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;

/** Spark sessions as the jobs need them. */
public final class Sessions {
  private static final String VECTOR = "--add-modules=jdk.incubator.vector";
  private static final String ARROW_ON_JDK_24 = "--sun-misc-unsafe-memory-access=allow";

  private Sessions() {}

  /** The session of spark-submit, or of all local cores where nothing submitted this. */
  public static SparkSession open(String name, RunConfig config) {
    requireVectorApi();
    return SparkSession.builder().config(configured(new SparkConf(), name, config)).getOrCreate();
  }

  /** What training needs, on top of what spark-submit gave. */
  static SparkConf configured(SparkConf conf, String name, RunConfig config) {
    conf.setIfMissing("spark.master", "local[*]");
    conf.setIfMissing("spark.app.name", "sparrow " + name);
    conf.setIfMissing("spark.ui.showConsoleProgress", "false");
    conf.setIfMissing(BarrierStage.ATTEMPTS_KEY, Integer.toString(config.cluster().attempts()));
    append(conf, "spark.plugins", RankMessages.class.getName(), ",");
    append(conf, "spark.executor.extraJavaOptions", VECTOR, " ");
    // JDK 17 to 23 do not know the flag; with this they pass over it.
    append(conf, "spark.executor.extraJavaOptions", "-XX:+IgnoreUnrecognizedVMOptions", " ");
    append(conf, "spark.executor.extraJavaOptions", ARROW_ON_JDK_24, " ");
    return conf;
  }

  private static void append(SparkConf conf, String key, String value, String separator) {
    String held = conf.get(key, "");
    if (!held.contains(value)) {
      conf.set(key, held.isEmpty() ? value : held + separator + value);
    }
  }

  private static void requireVectorApi() {
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
      throw new IllegalStateException(
          "the JVM runs without its Vector API module; pass spark-submit --driver-java-options \""
              + VECTOR
              + "\", or use conf/spark-defaults.conf (--properties-file)");
    }
  }
}
