package dev.sparrow.spark.cluster;

import java.io.Serializable;
import org.apache.spark.BarrierTaskContext;

/** The body of one rank of a barrier stage. */
@FunctionalInterface
public interface RankTask extends Serializable {
  /**
   * Runs on an executor's task thread; interrupted when the stage is cancelled or a peer failed. A
   * thrown exception fails the attempt of the whole stage, which is then tried again; a failure
   * that would come again must be returned instead.
   *
   * @return this rank's result, sent to the driver; null is none
   */
  String run(BarrierTaskContext context) throws Exception;
}
