package dev.sparrow.train;

import dev.sparrow.model.Confusion;
import dev.sparrow.model.Unit;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a run came to, equal on every rank save the wall time.
 *
 * @param steps updates done since the run began, resumed ones included
 * @param stopped whether a stop request ended it before its last step
 * @param trainLoss of the last step; NaN where this run made none
 * @param validationLoss after the last step; NaN without a validation split
 * @param confusion what a classifier predicted after the last step; null without a validation split
 *     and for language models
 * @param activeParameters those that one token, or one image, meets
 * @param unit what is counted here: a language model's tokens, a classifier's samples
 * @param trained units trained on since the run began
 * @param unitsPerSecond of all ranks, from this process's first step to its last, validation left
 *     out; 0 where it made none
 * @param wallSeconds of this process's run
 * @param validationSeconds of these, those that validation took
 */
public record TrainSummary(
    String method,
    long steps,
    boolean stopped,
    double trainLoss,
    double validationLoss,
    Confusion confusion,
    long parameters,
    long activeParameters,
    Unit unit,
    long trained,
    double unitsPerSecond,
    double wallSeconds,
    double validationSeconds,
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
    if (confusion != null) {
      putKnown(fields, "validation_accuracy", confusion.accuracy());
      fields.put("confusion", confusion.rows());
    }
    fields.put("parameters", parameters);
    fields.put("active_parameters", activeParameters);
    fields.put(unit.plural(), trained);
    fields.put(unit.plural() + "_per_second", unitsPerSecond);
    fields.put("wall_seconds", wallSeconds);
    fields.put("validation_seconds", validationSeconds);
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
