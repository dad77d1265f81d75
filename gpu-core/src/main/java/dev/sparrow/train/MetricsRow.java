package dev.sparrow.train;

import dev.sparrow.model.Unit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * What is told of a step. Shares and rates are of the time since the last row, validation left out.
 *
 * @param step updates done, from 1
 * @param epoch passes over the data, the current one's share included
 * @param unit what is counted here: a language model's tokens, a classifier's samples
 * @param trained units trained on since the run began, over all ranks and resumed runs
 * @param loss mean over the units of this step's global batch in nats, without auxiliary losses
 * @param learningRate of this step's update
 * @param gradNorm L2 norm of the global batch's gradient before clipping
 * @param unitsPerSecond of all ranks together
 * @param allReduceWaitShare share of time that rank 0 waited for gradients of others
 * @param dataWaitShare share of time that rank 0 waited for its next batch
 * @param validationLoss mean loss of the validation split; NaN where this step had none
 * @param validationAccuracy share of the validation split whose class was told; NaN where this step
 *     had none, and for language models
 * @param figures the method's own by name, each the mean over layers and ranks
 */
public record MetricsRow(
    long step,
    double epoch,
    Unit unit,
    long trained,
    double loss,
    double learningRate,
    double gradNorm,
    double unitsPerSecond,
    double allReduceWaitShare,
    double dataWaitShare,
    double validationLoss,
    double validationAccuracy,
    Map<String, Double> figures) {
  public MetricsRow {
    figures = Map.copyOf(figures);
  }

  public boolean hasValidation() {
    return !Double.isNaN(validationLoss);
  }

  /** The row under the names of metrics.jsonl, in their order; figures by name at the end. */
  public Map<String, Object> fields() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("step", step);
    fields.put("epoch", epoch);
    fields.put(unit.plural(), trained);
    fields.put("loss", loss);
    fields.put("lr", learningRate);
    fields.put("grad_norm", gradNorm);
    fields.put(unit.plural() + "_per_second", unitsPerSecond);
    fields.put("all_reduce_wait_share", allReduceWaitShare);
    fields.put("data_wait_share", dataWaitShare);
    if (hasValidation()) {
      fields.put("validation_loss", validationLoss);
    }
    if (!Double.isNaN(validationAccuracy)) {
      fields.put("validation_accuracy", validationAccuracy);
    }
    fields.putAll(new TreeMap<>(figures));
    return fields;
  }

  /** One line of metrics.jsonl, without the line's end. */
  public String toJson() {
    return Json.line(fields());
  }
}
