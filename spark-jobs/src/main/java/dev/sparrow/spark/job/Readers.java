package dev.sparrow.spark.job;

import dev.sparrow.config.Data;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.spark.shard.ArrowEvaluationReader;
import dev.sparrow.spark.shard.ArrowShardReader;
import dev.sparrow.spark.shard.ReaderSettings;
import dev.sparrow.spark.shard.Split;
import dev.sparrow.tensor.HostInts;
import java.util.function.IntFunction;
import org.apache.hadoop.conf.Configuration;

/**
 * One rank's batches of one shard directory, as a run's settings say.
 *
 * @param shards directory that holds manifest.json
 * @param memory of the batches, as the rank's backend reads them
 */
record Readers(
    Configuration hadoop, String shards, RunConfig config, IntFunction<HostInts> memory) {

  /** Endless training batches; the caller closes. */
  BatchSource training(BatchPlan plan) {
    return new ArrowShardReader(hadoop, settings(plan, Split.TRAIN), memory);
  }

  /** This rank's stripe of the held-out rows, once; the caller closes. */
  BatchSource validation(BatchPlan plan) {
    long all = config.train().validationSequences();
    return new ArrowEvaluationReader(
        hadoop, settings(plan, Split.VALIDATION), all == 0 ? Long.MAX_VALUE : all, memory);
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
