package dev.sparrow.spark.job;

import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** A corpus and settings small enough to train in a second. */
public final class TinyRun {
  private TinyRun() {}

  /** Lines of words that follow each other by rule, so that context helps. */
  public static Path corpus(Path directory) throws IOException {
    String[] words = {"sparse", "dense", "expert", "router", "gather", "scatter", "shard", "rank"};
    Random random = new Random(7);
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 1500; i++) {
      StringBuilder line = new StringBuilder();
      int word = random.nextInt(words.length);
      for (int j = 0; j < 8; j++) {
        line.append(words[word]).append(' ');
        word = (word * 3 + 1) % words.length;
      }
      lines.add(line.toString());
    }
    Path file = directory.resolve("corpus.txt");
    Files.write(file, lines);
    return file;
  }

  /** Settings with overrides of the caller's. */
  static RunConfig config(Path corpus, Path output, String... more) {
    return ConfigParser.parse("", "defaults", assignments(corpus, output, more));
  }

  /** The same as arguments of the command line. */
  public static List<String> assignments(Path corpus, Path output, String... more) {
    List<String> assignments =
        new ArrayList<>(
            List.of(
                "data.path=" + corpus,
                "output.path=" + output,
                "data.validation-fraction=0.1",
                "model.layers=2",
                "model.heads=2",
                "model.width=32",
                "model.context=32",
                "method.name=moe",
                "moe.experts=4",
                "moe.top-k=2",
                "moe.expert-hidden=32",
                "optimizer.learning-rate=0.01",
                "train.steps=30",
                "train.batch=8",
                "train.log-every=5",
                "cluster.ranks=2",
                "generate.tokens=20",
                "generate.prompt=sparse "));
    assignments.addAll(List.of(more));
    return assignments;
  }
}
