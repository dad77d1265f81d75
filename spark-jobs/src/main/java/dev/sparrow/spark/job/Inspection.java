package dev.sparrow.spark.job;

import dev.sparrow.config.RunConfig;
import dev.sparrow.config.Tokenizer;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.model.ModelSummary;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.tensor.Shape;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;

/** A model's layers, parameters, FLOPs and memory, in words; nothing is run. */
public final class Inspection {
  private final RunConfig config;
  private final int vocabulary;
  private final ModelSummary model;
  private final ModelSummary.Device device;

  private Inspection(
      RunConfig config, int vocabulary, ModelSummary model, ModelSummary.Device device) {
    this.config = config;
    this.vocabulary = vocabulary;
    this.model = model;
    this.device = device;
  }

  /** Of settings alone: the vocabulary is that of the tokenizer they name. */
  public static Inspection of(RunConfig config, SparkConf conf) {
    Tokenizer tokenizer = config.tokenizer();
    int vocabulary =
        tokenizer.kind().equals("ids")
            ? tokenizer.vocabulary()
            : ShardJob.tokenizer(tokenizer).open(new Configuration()).vocabularySize();
    return of(config, vocabulary, conf);
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
      return of(new RunDirectory(hadoop, path).config(assignments), conf);
    }
    RunConfig config = model.config(assignments);
    int vocabulary = model.manifest().tokenizer().vocabularySize();
    // Settings tell the sizes of all but matrices whose ranks were found in training.
    boolean asSaved = config.method().isCuttlefish() && assignments.isEmpty();
    return of(config, vocabulary, conf, asSaved ? model.file().shapes().byName() : Map.of());
  }

  /**
   * @param conf says whether tasks, and so ranks, get GPUs
   */
  public static Inspection of(RunConfig config, int vocabulary, SparkConf conf) {
    return of(config, vocabulary, conf, Map.of());
  }

  private static Inspection of(
      RunConfig config, int vocabulary, SparkConf conf, Map<String, Shape> saved) {
    int ranks = Math.max(1, config.cluster().ranks());
    int sequences =
        BatchPlan.of(config.train().batch(), config.train().microBatch(), 0, ranks).microBatch();
    ModelSummary.Device device = RankBackend.device(config.train().backend(), conf);
    return new Inspection(
        config, vocabulary, ModelSummary.of(config, vocabulary, sequences, device, saved), device);
  }

  /** One line for the start of a training. */
  public String headline() {
    return format(
        "model        %s, %,d parameters (%,d active), %s per token, %s a rank",
        config.method().name(),
        model.parameters(),
        model.activeParameters(),
        flops(model.trainingFlops()),
        memory());
  }

  /** All of it, a line a layer. */
  public String table() {
    StringBuilder text = new StringBuilder();
    text.append(
        format(
            "%-36s %-44s %15s %15s %14s%n",
            "layer", "kind", "parameters", "active", "FLOPs/token"));
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
            "%nparameters   %,d, of which a token meets %,d%n",
            model.parameters(), model.activeParameters()));
    text.append(
        format(
            "FLOPs/token  %s forward, %s training (attention over the average causal length)%n",
            flops(model.forwardFlops()), flops(model.trainingFlops())));
    text.append(
        format(
            "memory       %s a rank: weights %s, gradients %s, optimizer %s, activations %s for %d"
                + " sequences of %d%n",
            memory(),
            bytes(model.weightBytes()),
            bytes(model.gradientBytes()),
            bytes(model.optimizerBytes()),
            bytes(model.activationBytes()),
            model.samples(),
            config.model().context()));
    text.append(format("vocabulary   %,d", vocabulary));
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
