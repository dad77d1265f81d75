package dev.sparrow.spark.job;

import dev.sparrow.config.Data;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.data.ImageTransform;
import dev.sparrow.spark.shard.ArrowEvaluationReader;
import dev.sparrow.spark.shard.ArrowShardReader;
import dev.sparrow.spark.shard.ImageContent;
import dev.sparrow.spark.shard.ReaderSettings;
import dev.sparrow.spark.shard.ShardContent;
import dev.sparrow.spark.shard.Split;
import dev.sparrow.tensor.HostInts;
import java.util.function.IntFunction;
import org.apache.hadoop.conf.Configuration;

/**
 * One rank's batches of one shard directory, as a run's settings say.
 *
 * @param shards directory that holds manifest.json
 * @param model what the model learns from, or learnt from: images are normalised by its moments
 * @param memory of batches of tokens, as the rank's backend reads them
 */
record Readers(
    Configuration hadoop,
    String shards,
    ShardContent model,
    RunConfig config,
    IntFunction<HostInts> memory) {

  /** Endless training batches; the caller closes. */
  BatchSource training(BatchPlan plan) {
    ReaderSettings settings = settings(plan, Split.TRAIN);
    if (model instanceof ImageContent images) {
      ImageTransform varied =
          ImageTransform.training(
              images.shape(),
              images.means(),
              images.deviations(),
              config.image(),
              config.train().seed());
      return ArrowShardReader.images(hadoop, settings, varied);
    }
    return ArrowShardReader.tokens(hadoop, settings, memory);
  }

  /** This rank's stripe of the held-out rows, once; the caller closes. */
  BatchSource validation(BatchPlan plan) {
    ReaderSettings settings = settings(plan, Split.VALIDATION);
    long set = config.train().validationSequences();
    long most = set == 0 ? Long.MAX_VALUE : set;
    return model instanceof ImageContent images
        ? ArrowEvaluationReader.images(hadoop, settings, most, evaluation(images))
        : ArrowEvaluationReader.tokens(hadoop, settings, most, memory);
  }

  /** What a model that learnt from such images reads. */
  static ImageTransform evaluation(ImageContent images) {
    return ImageTransform.evaluation(images.shape(), images.means(), images.deviations());
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
