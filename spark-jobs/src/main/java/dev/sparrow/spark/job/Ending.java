package dev.sparrow.spark.job;

import dev.sparrow.checkpoint.CheckpointException;
import dev.sparrow.collective.CollectiveException;
import dev.sparrow.spark.cluster.Agreement;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.train.TrainSummary;
import dev.sparrow.train.TrainingDivergedException;
import java.io.FileNotFoundException;
import java.io.IOException;
import org.apache.hadoop.fs.ChecksumException;
import org.apache.spark.BarrierTaskContext;

/**
 * How one rank's training ended.
 *
 * @param summary null where failed
 * @param failure null where done
 */
record Ending(TrainSummary summary, Exception failure) {
  static Ending done(TrainSummary summary) {
    return new Ending(summary, null);
  }

  static Ending failed(Exception failure) {
    return new Ending(null, failure);
  }

  /**
   * What this rank hands to the driver, after all ranks have heard of each other's failures.
   *
   * @throws Exception this rank's failure, where another attempt may cure it
   */
  Outcome agreed(BarrierTaskContext context) throws Exception {
    if (failure == null) {
      String told = Agreement.done(context);
      return told.isEmpty() ? Outcome.done(summary) : Outcome.failed(told);
    }
    boolean again = comesAgain(failure);
    if (!again && !(failure instanceof CollectiveException)) {
      throw failure;
    }
    String told = Agreement.failed(context, again ? line(failure) : "");
    if (told.isEmpty()) {
      throw failure;
    }
    return Outcome.failed(told);
  }

  /** Whether it is a fact of data or settings, not a mishap of a disk, a network or a peer. */
  static boolean comesAgain(Exception failure) {
    boolean fact =
        failure instanceof TrainingDivergedException
            || failure instanceof CheckpointException
            || failure instanceof DataException
            || failure instanceof IllegalArgumentException;
    Throwable cause = failure.getCause();
    boolean mishap =
        cause instanceof IOException
            && !(cause instanceof FileNotFoundException)
            && !(cause instanceof ChecksumException);
    return fact && !mishap;
  }

  private static String line(Exception failure) {
    return String.valueOf(failure.getMessage()).lines().findFirst().orElse(failure.toString());
  }
}
