package dev.sparrow.spark.bench;

import dev.sparrow.bench.BatchFeed;
import dev.sparrow.bench.LmCase;
import dev.sparrow.data.BatchSource;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.shard.ArrowShardReader;
import dev.sparrow.spark.shard.ReaderSettings;
import dev.sparrow.spark.shard.ShardDataset;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.shard.ShardSettings;
import dev.sparrow.spark.shard.SplitRule;
import dev.sparrow.spark.text.TokenizerSpec;
import dev.sparrow.tensor.HostInts;
import java.util.function.IntFunction;
import org.apache.spark.sql.SparkSession;

/**
 * Batches as training has them: text sharded to Arrow by Spark, read shuffled by {@link
 * ArrowShardReader} while the model computes. Written just before, the shards lie in the page
 * cache, so that the reader is measured and not the disk.
 *
 * @param source of text
 * @param scratch directory for the shards, one folder a context; reused while they are the same
 */
public record ShardFeed(
    SparkSession spark, SourceSpec source, String scratch, TokenizerSpec tokenizer)
    implements BatchFeed {
  private static final long SEED = 1;

  /**
   * @throws IllegalArgumentException where the tokenizer makes ids that the model does not know
   */
  @Override
  public BatchSource open(LmCase lm, IntFunction<HostInts> memory) {
    int context = lm.shape().context();
    String shards = scratch + "/shards-" + context;
    ShardSettings settings =
        ShardSettings.of(shards, context, tokenizer, SplitRule.byHash(0, SEED));
    ShardManifest manifest = new ShardDataset(spark, settings).run(source);
    int ids = manifest.tokens().tokenizer().vocabularySize();
    if (ids > lm.vocabulary()) {
      throw new IllegalArgumentException(
          lm.name()
              + ": expected a tokenizer of at most "
              + lm.vocabulary()
              + " ids, got "
              + tokenizer.kind()
              + " with "
              + ids);
    }
    return ArrowShardReader.tokens(
        spark.sparkContext().hadoopConfiguration(),
        ReaderSettings.training(shards, SEED, 1, 0, lm.batch(), 1),
        memory);
  }
}
