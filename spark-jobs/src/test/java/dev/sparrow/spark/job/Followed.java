package dev.sparrow.spark.job;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongConsumer;

/** Keeps what a job tells; may act on a step. */
final class Followed implements TrainListener {
  final List<Map<String, Object>> rows = new CopyOnWriteArrayList<>();
  final List<String> notes = new CopyOnWriteArrayList<>();
  private final LongConsumer onStep;

  Followed() {
    this(step -> {});
  }

  Followed(LongConsumer onStep) {
    this.onStep = onStep;
  }

  @Override
  public void started(long steps, int ranks, String description) {
    notes.add(description);
  }

  @Override
  public void row(Map<String, Object> row) {
    rows.add(row);
    onStep.accept(((Number) row.get("step")).longValue());
  }

  @Override
  public void note(String text) {
    notes.add(text);
  }
}
