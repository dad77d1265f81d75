package dev.sparrow.spark.cluster;

import java.util.Arrays;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.spark.BarrierTaskContext;

/**
 * What the ranks of a barrier stage tell each other before they begin and before they end. To its
 * peers a rank that gives up looks like a lost one, which Spark would try again; once all know why
 * it gave up, all can end their tasks in order and hand that to the driver.
 */
public final class Agreement {
  /** A failed rank does not wait longer: a peer that hangs never comes. */
  private static final long PATIENCE_SECONDS = 30;

  private Agreement() {}

  /**
   * Before the work, for every rank: waits for all others.
   *
   * @param obstacle why this rank cannot begin, where another attempt would meet it again; else
   *     empty
   * @return why the first of the ranks cannot; empty where all can
   */
  public static String begun(BarrierTaskContext context, String obstacle) {
    return first(context.allGather(obstacle));
  }

  /**
   * For a rank whose work is done: waits for all others.
   *
   * @return why a rank gave up; empty where none did
   */
  public static String done(BarrierTaskContext context) {
    return first(context.allGather(""));
  }

  /**
   * For a rank that failed.
   *
   * @param failure why it gave up, where another attempt would meet it again; else empty
   * @return why the first of the ranks gave up; empty where none did, or where the others do not
   *     come
   */
  public static String failed(BarrierTaskContext context, String failure) {
    // Spark's call knows no time limit, and waits on where its thread is interrupted.
    FutureTask<String> call = new FutureTask<>(() -> first(context.allGather(failure)));
    Thread thread = new Thread(call, "sparrow-agreement-" + context.partitionId());
    thread.setDaemon(true);
    thread.start();
    try {
      return call.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException | ExecutionException e) {
      return "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "";
    }
  }

  private static String first(String[] told) {
    return Arrays.stream(told).filter(text -> !text.isEmpty()).findFirst().orElse("");
  }
}
