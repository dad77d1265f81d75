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
    /** Rank 0 begins after this many steps; what was told of later ones is void. */
    STARTED,
    /** A row of metrics.jsonl. */
    METRICS,
    /** Why this rank gave up, in one line; not sent by those that merely lost a peer. */
    FAILURE
  }
}
