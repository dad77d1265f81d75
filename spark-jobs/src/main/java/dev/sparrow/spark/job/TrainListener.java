package dev.sparrow.spark.job;

import java.util.Map;

/** Follows a training job on the driver. Calls come one at a time. */
public interface TrainListener {
  /** The stage is about to start. */
  void started(long steps, int ranks, String description);

  /** A row of metrics.jsonl, seconds after its step. */
  void row(Map<String, Object> row);

  /** Something worth a line. */
  void note(String text);
}
