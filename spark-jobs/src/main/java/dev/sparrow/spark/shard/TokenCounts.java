package dev.sparrow.spark.shard;

import dev.sparrow.data.UnigramModel;
import java.util.Arrays;
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

  /** What a unigram model of the training tokens loses on a validation token; null without any. */
  static Double unigramLoss(long[] train, long[] validation) {
    boolean none = Arrays.stream(validation).allMatch(count -> count == 0);
    return none ? null : UnigramModel.loss(train, validation);
  }
}
