package dev.sparrow.spark.job;

import dev.sparrow.backend.cuda.DeviceOutOfMemoryException;
import dev.sparrow.checkpoint.CheckpointException;
import dev.sparrow.collective.CollectiveException;
import dev.sparrow.spark.cluster.Agreement;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.train.TrainingDivergedException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.Map;
import org.apache.hadoop.fs.ChecksumException;
import org.apache.spark.BarrierTaskContext;

/**
 * How one rank's training ended.
 *
 * @param summary null where failed
 * @param failure null where done
 */
record Ending(Map<String, Object> summary, Exception failure) {
  static Ending done(Map<String, Object> summary) {
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

  /**
   * Whether it is a fact of data, settings or devices, not a mishap of a disk, a network or a peer.
   */
  static boolean comesAgain(Exception failure) {
    boolean fact =
        failure instanceof TrainingDivergedException
            || failure instanceof DeviceOutOfMemoryException
            || failure instanceof JobException
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

  /** Of a failure the first line, which says what happened. */
  static String line(Exception failure) {
    return String.valueOf(failure.getMessage()).lines().findFirst().orElse(failure.toString());
  }
}
