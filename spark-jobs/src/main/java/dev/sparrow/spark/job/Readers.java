package dev.sparrow.spark.job;

import dev.sparrow.config.Data;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.spark.shard.ArrowEvaluationReader;
import dev.sparrow.spark.shard.ArrowShardReader;
import dev.sparrow.spark.shard.ReaderSettings;
import dev.sparrow.spark.shard.Split;
import org.apache.hadoop.conf.Configuration;

/**
 * One rank's batches of one shard directory, as a run's settings say.
 *
 * @param shards directory that holds manifest.json
 */
record Readers(Configuration hadoop, String shards, RunConfig config) {

  /** Endless training batches; the caller closes. */
  BatchSource training(BatchPlan plan) {
    return ArrowShardReader.tokens(hadoop, settings(plan, Split.TRAIN));
  }

  /** This rank's stripe of the held-out rows, once; the caller closes. */
  BatchSource validation(BatchPlan plan) {
    long all = config.train().validationSequences();
    return ArrowEvaluationReader.tokens(
        hadoop, settings(plan, Split.VALIDATION), all == 0 ? Long.MAX_VALUE : all);
  }

  private ReaderSettings settings(BatchPlan plan, Split split) {
    Data data = config.data();
    return new ReaderSettings(
        shards,
        split,
        config.train().seed(),
        plan.world(),
        plan.rank(),
        plan.microBatch(),
        plan.accumulation(),
        data.shuffle(),
        data.cache().isEmpty() ? null : data.cache(),
        data.prefetch());
  }
}
