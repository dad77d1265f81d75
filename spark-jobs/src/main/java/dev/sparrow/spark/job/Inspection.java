package dev.sparrow.spark.job;

import dev.sparrow.config.RunConfig;
import dev.sparrow.config.Tokenizer;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.model.ModelSummary;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.spark.shard.ImageContent;
import dev.sparrow.spark.shard.ShardContent;
import dev.sparrow.spark.shard.TokenContent;
import dev.sparrow.tensor.Shape;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;

/** A model's layers, parameters, FLOPs and memory, in words; nothing is run. */
public final class Inspection {
  /**
   * What a model's rows come from, in words.
   *
   * @param unit that FLOPs are counted for
   * @param footnote to FLOPs
   * @param samples of a micro-batch
   * @param line last of the table
   */
  private record Input(String unit, String footnote, String samples, String line) {
    String article() {
      return unit.equals("image") ? "an" : "a";
    }
  }

  private final RunConfig config;
  private final ModelSummary model;
  private final ModelSummary.Device device;
  private final Input input;

  private Inspection(
      RunConfig config, ModelSummary model, ModelSummary.Device device, Input input) {
    this.config = config;
    this.model = model;
    this.device = device;
    this.input = input;
  }

  /**
   * Of settings alone: the vocabulary is that of the tokenizer they name; what images are and how
   * many classes they have, their shards must tell.
   */
  public static Inspection of(RunConfig config, Configuration hadoop, SparkConf conf) {
    if (config.model().kind().classifiesImages()) {
      return of(config, ShardJob.written(hadoop, config).images(), conf);
    }
    Tokenizer tokenizer = config.tokenizer();
    int vocabulary =
        tokenizer.kind().equals("ids")
            ? tokenizer.vocabulary()
            : ShardJob.tokenizer(tokenizer).open(new Configuration()).vocabularySize();
    return ofTokens(config, vocabulary, conf, Map.of());
  }

  /**
   * Of a saved model, as it is where nothing is assigned; of a run without one by the settings of
   * its newest attempt.
   *
   * @param path see {@link SavedModel#at}
   */
  public static Inspection of(
      String path, Configuration hadoop, List<String> assignments, SparkConf conf) {
    SavedModel model = SavedModel.at(hadoop, path);
    if (!model.exists()) {
      return of(new RunDirectory(hadoop, path).config(assignments), hadoop, conf);
    }
    RunConfig config = model.config(assignments);
    // Settings tell the sizes of all but matrices whose ranks were found in training.
    boolean asSaved = config.method().isCuttlefish() && assignments.isEmpty();
    Map<String, Shape> saved = asSaved ? model.file().shapes().byName() : Map.of();
    return of(config, model.manifest().content(), conf, saved);
  }

  /**
   * @param content of the data
   * @param conf says whether tasks, and so ranks, get GPUs
   */
  public static Inspection of(RunConfig config, ShardContent content, SparkConf conf) {
    return of(config, content, conf, Map.of());
  }

  private static Inspection of(
      RunConfig config, ShardContent content, SparkConf conf, Map<String, Shape> saved) {
    return content instanceof ImageContent images
        ? ofImages(config, images, conf, saved)
        : ofTokens(config, ((TokenContent) content).tokenizer().vocabularySize(), conf, saved);
  }

  private static Inspection ofTokens(
      RunConfig config, int vocabulary, SparkConf conf, Map<String, Shape> saved) {
    int sequences = microBatch(config);
    ModelSummary.Device device = RankBackend.device(config.train().backend(), conf);
    Input input =
        new Input(
            "token",
            " (attention over the average causal length)",
            format("%d sequences of %d", sequences, config.model().context()),
            format("vocabulary   %,d", vocabulary));
    return new Inspection(
        config, ModelSummary.of(config, vocabulary, sequences, device, saved), device, input);
  }

  private static Inspection ofImages(
      RunConfig config, ImageContent images, SparkConf conf, Map<String, Shape> saved) {
    int samples = microBatch(config);
    int classes = images.classes().size();
    ModelSummary.Device device = RankBackend.device(config.train().backend(), conf);
    Input input =
        new Input(
            "image",
            "",
            samples + " images",
            format(
                "images       %d x %d x %d, %,d classes",
                images.height(), images.width(), images.channels(), classes));
    ModelSummary summary = ModelSummary.of(config, images.shape(), classes, samples, device, saved);
    return new Inspection(config, summary, device, input);
  }

  private static int microBatch(RunConfig config) {
    int ranks = Math.max(1, config.cluster().ranks());
    return BatchPlan.of(config.train().batch(), config.train().microBatch(), 0, ranks).microBatch();
  }

  /** One line for the start of a training. */
  public String headline() {
    return format(
        "model        %s, %,d parameters (%,d active), %s per %s, %s a rank",
        config.method().name(),
        model.parameters(),
        model.activeParameters(),
        flops(model.trainingFlops()),
        input.unit(),
        memory());
  }

  /** All of it, a line a layer. */
  public String table() {
    StringBuilder text = new StringBuilder();
    text.append(
        format(
            "%-36s %-44s %15s %15s %14s%n",
            "layer", "kind", "parameters", "active", "FLOPs/" + input.unit()));
    for (LayerSummary layer : model.layers()) {
      text.append(
          format(
              "%-36s %-44s %,15d %,15d %14s%n",
              layer.name(),
              layer.kind(),
              layer.parameters(),
              layer.activeParameters(),
              flops(layer.forwardFlops())));
    }
    text.append(
        format(
            "%nparameters   %,d, of which %s %s meets %,d%n",
            model.parameters(), input.article(), input.unit(), model.activeParameters()));
    text.append(
        format(
            "FLOPs/%s  %s forward, %s training%s%n",
            input.unit(),
            flops(model.forwardFlops()),
            flops(model.trainingFlops()),
            input.footnote()));
    text.append(
        format(
            "memory       %s a rank: weights %s, gradients %s, optimizer %s, activations %s for"
                + " %s%n",
            memory(),
            bytes(model.weightBytes()),
            bytes(model.gradientBytes()),
            bytes(model.optimizerBytes()),
            bytes(model.activationBytes()),
            input.samples()));
    text.append(input.line());
    return text.toString();
  }

  private String memory() {
    return bytes(model.bytes()) + (device == ModelSummary.Device.GPU ? " of GPU memory" : "");
  }

  private static String format(String pattern, Object... arguments) {
    return String.format(Locale.ROOT, pattern, arguments);
  }

  private static String flops(double flops) {
    if (flops >= 1e9) {
      return format("%.2f GFLOP", flops / 1e9);
    }
    return flops >= 1e6 ? format("%.2f MFLOP", flops / 1e6) : format("%.1f kFLOP", flops / 1e3);
  }

  private static String bytes(long bytes) {
    return bytes >= 1L << 30
        ? format("%.2f GiB", bytes / (double) (1L << 30))
        : format("%.1f MiB", bytes / (double) (1L << 20));
  }
}
