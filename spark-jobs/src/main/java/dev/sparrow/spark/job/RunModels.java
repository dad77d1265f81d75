package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.PatternLayout;
import dev.sparrow.config.RunConfig;
import dev.sparrow.model.Model;
import dev.sparrow.model.Models;
import dev.sparrow.spark.shard.ImageContent;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.sparsity.Method;
import java.util.Map;

/** The model that a run's settings and its data's vocabulary, or classes, ask for. */
final class RunModels {
  private RunModels() {}

  /**
   * @param shards that the model learns from, or learnt from
   * @param method of the settings
   * @throws dev.sparrow.spark.data.DataException where they hold what its kind cannot learn from
   */
  static Model build(Backend backend, RunConfig config, ShardManifest shards, Method method) {
    if (config.model().kind().classifiesImages()) {
      ImageContent images = shards.images();
      return Models.imageClassifier(
          backend, config, images.shape(), images.classes().size(), method);
    }
    return Models.languageModel(
        backend, config, shards.tokens().tokenizer().vocabularySize(), method);
  }

  /**
   * How the patterns of its sparse weights are laid out, by the names of the weights; none where no
   * method makes them sparse.
   *
   * @param shards that it learnt from
   */
  static Map<String, PatternLayout> patternLayouts(RunConfig config, ShardManifest shards) {
    return shards.content() instanceof ImageContent images
        ? Models.patternLayouts(config, images.shape(), images.classes().size())
        : Models.patternLayouts(config, shards.tokens().tokenizer().vocabularySize());
  }
}
