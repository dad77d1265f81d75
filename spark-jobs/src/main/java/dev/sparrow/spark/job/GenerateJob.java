package dev.sparrow.spark.job;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.RunConfig;
import dev.sparrow.model.TextGenerator;
import dev.sparrow.model.TransformerLm;
import dev.sparrow.spark.text.TextTokenizer;
import java.util.stream.IntStream;

/** Continues {@code generate.prompt} with a trained model, in this JVM. */
public final class GenerateJob {
  private GenerateJob() {}

  /**
   * @param backend see {@link RankBackend#onDriver}; stays open
   * @return prompt and continuation; ends early at the end of a text
   */
  public static String run(RunConfig config, SavedModel model, Backend backend) {
    if (config.model().kind().classifiesImages()) {
      throw new JobException(
          model.file().path()
              + ": expected a language model to continue a prompt, got one that classifies images;"
              + " `predict` tells their classes");
    }
    TextTokenizer tokenizer = model.tokenizer();
    int[] prompt = tokenizer.encode(config.generate().prompt());
    // Every document begins after an end-of-text, so that is how an empty prompt begins, too.
    int[] start = prompt.length > 0 ? prompt : IntStream.of(tokenizer.endOfText()).toArray();
    try (LoadedModel loaded = LoadedModel.open(config, model, backend, 1)) {
      int[] made =
          new TextGenerator(backend, (TransformerLm) loaded.model())
              .generate(start, config.generate(), tokenizer.endOfText());
      // Decoded as one: a character's bytes may lie on both sides of the prompt's end.
      return tokenizer.decode(IntStream.concat(IntStream.of(prompt), IntStream.of(made)).toArray());
    }
  }
}
