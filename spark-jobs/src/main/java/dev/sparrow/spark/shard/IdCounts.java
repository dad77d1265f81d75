package dev.sparrow.spark.shard;

import org.apache.spark.util.AccumulatorV2;

/**
 * How often each id (a token, or a class) occurs in each split, merged on the driver task by task.
 * A task counts in its own arrays and adds them once, at its end.
 */
final class IdCounts extends AccumulatorV2<long[][], long[][]> {
  private final int ids;
  private long[][] counts;

  IdCounts(int ids) {
    this.ids = ids;
  }

  @Override
  public boolean isZero() {
    return counts == null;
  }

  @Override
  public IdCounts copy() {
    IdCounts copy = new IdCounts(ids);
    if (counts != null) {
      copy.add(counts);
    }
    return copy;
  }

  @Override
  public void reset() {
    counts = null;
  }

  @Override
  public void add(long[][] more) {
    if (counts == null) {
      counts = new long[Split.values().length][ids];
    }
    for (int split = 0; split < counts.length; split++) {
      for (int id = 0; id < ids; id++) {
        counts[split][id] += more[split][id];
      }
    }
  }

  @Override
  public void merge(AccumulatorV2<long[][], long[][]> other) {
    if (!other.isZero()) {
      add(other.value());
    }
  }

  @Override
  public long[][] value() {
    return counts == null ? new long[Split.values().length][ids] : counts;
  }
}
