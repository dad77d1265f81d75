package dev.sparrow.spark.cluster;

import java.io.Serializable;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;
import scala.runtime.AbstractFunction1;

/**
 * Runs all ranks at once, in a barrier stage that Spark tries again when a rank or its executor is
 * lost. A barrier stage that is the result stage is never tried again ("Could not recover from a
 * failed barrier ResultStage"), so a shuffle to one partition follows it and makes it a map stage.
 */
public final class BarrierStage {
  private BarrierStage() {}

  /** Attempts of a stage before its job fails; read when the Spark context starts. */
  public static final String ATTEMPTS_KEY = "spark.stage.maxConsecutiveAttempts";

  /** Where {@link SparkContext#setInterruptOnCancel} keeps its choice, for the calling thread. */
  private static final String INTERRUPT_KEY = "spark.job.interruptOnCancel";

  /**
   * @return the ranks' results that are not null, in no particular order
   */
  public static List<String> run(SparkContext context, int ranks, RankTask task) {
    JavaSparkContext java = JavaSparkContext.fromSparkContext(context);
    List<Integer> numbers = IntStream.range(0, ranks).boxed().collect(Collectors.toList());
    RDD<Integer> rdd = java.parallelize(numbers, ranks).rdd();
    ClassTag<String> tag = ClassTag$.MODULE$.apply(String.class);
    String before = context.getLocalProperty(INTERRUPT_KEY);
    // Without this the survivors of a lost peer sit in their collective until its time-out.
    context.setInterruptOnCancel(true);
    try {
      return rdd.barrier()
          .mapPartitions(new Body(task), false, tag)
          .toJavaRDD()
          .repartition(1)
          .collect();
    } finally {
      // It would interrupt the tasks of all later jobs of this thread, too.
      context.setLocalProperty(INTERRUPT_KEY, before);
    }
  }

  /** Scala's view of a {@link RankTask}. */
  private static final class Body extends AbstractFunction1<Iterator<Integer>, Iterator<String>>
      implements Serializable {
    private static final long serialVersionUID = 1L;

    private final RankTask task;

    Body(RankTask task) {
      this.task = task;
    }

    @Override
    public Iterator<String> apply(Iterator<Integer> input) {
      List<String> result = Stream.ofNullable(call()).toList();
      return CollectionConverters.asScala(result.iterator());
    }

    private String call() {
      try {
        return task.run(BarrierTaskContext.get());
      } catch (RuntimeException | Error e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException(e.getMessage(), e);
      }
    }
  }
}
