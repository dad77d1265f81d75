package dev.sparrow.train;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a run came to, equal on every rank save the wall time.
 *
 * @param steps updates done since the run began, resumed ones included
 * @param stopped whether a stop request ended it before its last step
 * @param trainLoss of the last step; NaN where this run made none
 * @param validationLoss after the last step; NaN without a validation split
 * @param activeParameters those that one token meets
 * @param tokens trained on since the run began
 * @param tokensPerSecond of all ranks, from this process's first step to its last, validation left
 *     out; 0 where it made none
 * @param wallSeconds of this process's run
 */
public record TrainSummary(
    String method,
    long steps,
    boolean stopped,
    double trainLoss,
    double validationLoss,
    long parameters,
    long activeParameters,
    long tokens,
    double tokensPerSecond,
    double wallSeconds,
    int ranks,
    String device) {

  /** The summary under the names of summary.json; what is not known is left out. */
  public Map<String, Object> fields() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("method", method);
    fields.put("steps", steps);
    fields.put("stopped", stopped);
    putKnown(fields, "train_loss", trainLoss);
    putKnown(fields, "validation_loss", validationLoss);
    fields.put("parameters", parameters);
    fields.put("active_parameters", activeParameters);
    fields.put("tokens", tokens);
    fields.put("tokens_per_second", tokensPerSecond);
    fields.put("wall_seconds", wallSeconds);
    fields.put("ranks", ranks);
    fields.put("device", device);
    return fields;
  }

  private static void putKnown(Map<String, Object> fields, String name, double value) {
    if (!Double.isNaN(value)) {
      fields.put(name, value);
    }
  }

  public String toJson() {
    return Json.line(fields());
  }
}
