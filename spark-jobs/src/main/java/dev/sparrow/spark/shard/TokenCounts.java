package dev.sparrow.spark.shard;

import org.apache.spark.util.AccumulatorV2;

/**
 * How often each token occurs in each split, merged on the driver task by task. A task counts in
 * its own arrays and adds them once, at its end.
 */
final class TokenCounts extends AccumulatorV2<long[][], long[][]> {
  private final int vocabulary;
  private long[][] counts;

  TokenCounts(int vocabulary) {
    this.vocabulary = vocabulary;
  }

  @Override
  public boolean isZero() {
    return counts == null;
  }

  @Override
  public TokenCounts copy() {
    TokenCounts copy = new TokenCounts(vocabulary);
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
      counts = new long[Split.values().length][vocabulary];
    }
    for (int split = 0; split < counts.length; split++) {
      for (int id = 0; id < vocabulary; id++) {
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
    return counts == null ? new long[Split.values().length][vocabulary] : counts;
  }

  /**
   * Cross-entropy of the validation tokens under add-one smoothed training frequencies, nats per
   * token: {@code -Σ v_i ln((t_i + 1) / (T + V)) / Σ v_i}. Null without validation tokens.
   */
  static Double unigramLoss(long[] train, long[] validation) {
    double trainTotal = train.length;
    for (long count : train) {
      trainTotal += count;
    }
    double loss = 0;
    long tokens = 0;
    for (int id = 0; id < train.length; id++) {
      loss -= validation[id] * Math.log((train[id] + 1) / trainTotal);
      tokens += validation[id];
    }
    return tokens == 0 ? null : loss / tokens;
  }
}
