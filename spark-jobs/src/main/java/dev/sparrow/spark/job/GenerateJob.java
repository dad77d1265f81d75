package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.RunConfig;
import dev.sparrow.model.TextGenerator;
import dev.sparrow.model.TransformerLm;
import dev.sparrow.spark.shard.ManifestStore;
import dev.sparrow.spark.text.TextTokenizer;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;

/** Continues {@code generate.prompt} with a trained model, in this JVM. */
public final class GenerateJob {
  private GenerateJob() {}

  /**
   * @param model a model directory (see {@link RunDirectory})
   * @param backend see {@link RankBackend#onDriver}; stays open
   * @return prompt and continuation; ends early at the end of a text
   */
  public static String run(Configuration hadoop, RunConfig config, String model, Backend backend) {
    if (config.model().kind().classifiesImages()) {
      throw new JobException(
          model
              + ": expected a language model to continue a prompt, got one that classifies images;"
              + " `predict` tells their classes");
    }
    ManifestStore store = new ManifestStore(hadoop, model);
    TextTokenizer tokenizer = store.tokenizer(store.read());
    int[] prompt = tokenizer.encode(config.generate().prompt());
    // Every document begins after an end-of-text, so that is how an empty prompt begins, too.
    int[] start = prompt.length > 0 ? prompt : IntStream.of(tokenizer.endOfText()).toArray();
    try (LoadedModel loaded = LoadedModel.open(hadoop, config, model, backend, 1)) {
      int[] made =
          new TextGenerator(backend, (TransformerLm) loaded.model())
              .generate(start, config.generate(), tokenizer.endOfText());
      // Decoded as one: a character's bytes may lie on both sides of the prompt's end.
      return tokenizer.decode(IntStream.concat(IntStream.of(prompt), IntStream.of(made)).toArray());
    }
  }
}
