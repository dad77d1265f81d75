package dev.sparrow.spark.cluster;

import java.io.Serializable;

/**
 * What a rank tells the driver while its task runs.
 *
 * @param runId which run; several may share one Spark application
 * @param rank sender
 * @param attempt attempt of the barrier stage, from 0
 * @param kind what {@code text} is
 * @param text JSON of a metrics row, or words
 */
public record RankMessage(String runId, int rank, int attempt, Kind kind, String text)
    implements Serializable {
  /** What a message carries. */
  public enum Kind {
    /** A row of metrics.jsonl. */
    METRICS,
    /** Something worth a line on the console. */
    NOTE,
    /** Why this rank gave up; the first that is not a lost peer is the cause of them all. */
    FAILURE
  }
}
