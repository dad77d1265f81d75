package dev.sparrow.spark.cli;

import dev.sparrow.bench.BenchRow;
import dev.sparrow.bench.BenchTable;
import dev.sparrow.spark.job.EvaluateJob;
import dev.sparrow.spark.job.ExportJob;
import dev.sparrow.spark.job.Inspection;
import dev.sparrow.spark.job.PredictJob;
import dev.sparrow.spark.job.TrainJob;
import dev.sparrow.spark.job.TrainListener;
import dev.sparrow.spark.report.ConfusionMatrix;
import dev.sparrow.spark.shard.ImageContent;
import dev.sparrow.spark.shard.ShardManifest;
import dev.sparrow.spark.shard.TokenContent;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Model.CommandSpec;

/**
 * What the commands print, on standard output. Progress is a line a row: it reads the same in a
 * terminal, in a cluster's log and in a pipe.
 */
final class Console implements TrainListener {
  private static final int SHOWN_CLASSES = 20;

  private final PrintWriter out;
  private long steps;
  private long firstStep = -1;
  private long firstNanos;

  Console(CommandSpec command) {
    this.out = command.commandLine().getOut();
  }

  void text(String text) {
    out.println(text);
    out.flush();
  }

  private void line(String format, Object... arguments) {
    text(String.format(Locale.ROOT, format, arguments));
  }

  void shards(String path, ShardManifest manifest) {
    line("shards       %s", path);
    if (manifest.content() instanceof ImageContent images) {
      images(manifest, images);
    } else {
      tokens(manifest, manifest.tokens());
    }
  }

  private void images(ShardManifest manifest, ImageContent images) {
    line("train        %,d images in %,d files", files(manifest.train()));
    line("validation   %,d images in %,d files", files(manifest.validation()));
    line(
        "images       %d x %d pixels, %d channels of %s",
        images.height(), images.width(), images.channels(), images.dtype().label());
    line("classes      %,d: %s", images.classes().size(), shortened(images.classes()));
  }

  private static Object[] files(ShardManifest.Part part) {
    return new Object[] {part.rows(), part.files().size()};
  }

  private static String shortened(List<String> classes) {
    List<String> first = classes.subList(0, Math.min(SHOWN_CLASSES, classes.size()));
    return String.join(", ", first) + (first.size() < classes.size() ? ", ..." : "");
  }

  private void tokens(ShardManifest manifest, TokenContent tokens) {
    part("train", manifest.train(), tokens.train());
    part("validation", manifest.validation(), tokens.validation());
    TokenContent.Tokenizer tokenizer = tokens.tokenizer();
    line("tokenizer    %s, %,d ids", tokenizer.kind(), tokenizer.vocabularySize());
    if (tokens.unigramLoss() != null) {
      line("unigram      %.4f nats per validation token", tokens.unigramLoss());
    }
  }

  private void part(String name, ShardManifest.Part part, TokenContent.Counts counts) {
    line(
        "%-12s %,d documents, %,d tokens, %,d rows in %,d files",
        name, counts.documents(), counts.tokens(), part.rows(), part.files().size());
  }

  void inspection(Inspection inspection) {
    text(inspection.table());
  }

  @Override
  public void started(long steps, int ranks, String description) {
    this.steps = steps;
    line("%s", description);
    line("training     %,d steps on %d rank%s", steps, ranks, ranks == 1 ? "" : "s");
  }

  @Override
  public void row(Map<String, Object> row) {
    long step = ((Number) row.get("step")).longValue();
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "step %,d/%,d  loss %.4f  lr %.2e  %s  %s left",
            step,
            steps,
            number(row, "loss"),
            number(row, "lr"),
            speed(row),
            left(step)));
    if (row.containsKey("validation_loss")) {
      text.append(
          String.format(Locale.ROOT, "  validation loss %.4f", number(row, "validation_loss")));
    }
    if (row.containsKey("validation_accuracy")) {
      text.append(
          String.format(Locale.ROOT, "  accuracy %.4f", number(row, "validation_accuracy")));
    }
    text(text.toString());
  }

  /** Of a row or a summary: language models count tokens, classifiers samples. */
  private static String speed(Map<String, Object> fields) {
    String unit = fields.containsKey("samples_per_second") ? "samples" : "tokens";
    return String.format(Locale.ROOT, "%,.0f %s/s", number(fields, unit + "_per_second"), unit);
  }

  private static double number(Map<String, Object> row, String name) {
    return row.get(name) instanceof Number value ? value.doubleValue() : Double.NaN;
  }

  /** From the pace since the first row, which pauses for validation and checkpoints are part of. */
  private String left(long step) {
    long now = System.nanoTime();
    if (firstStep < 0 || step <= firstStep) {
      firstStep = step;
      firstNanos = now;
      return "?";
    }
    double nanosPerStep = (double) (now - firstNanos) / (step - firstStep);
    Duration left = Duration.ofNanos((long) (nanosPerStep * (steps - step)));
    return left.toHours() > 0
        ? String.format("%d:%02d:%02d", left.toHours(), left.toMinutesPart(), left.toSecondsPart())
        : String.format("%d:%02d", left.toMinutes(), left.toSecondsPart());
  }

  @Override
  public void note(String text) {
    text(text);
  }

  void trained(TrainJob.Trained trained) {
    Map<String, Object> summary = trained.summary();
    if (summary.containsKey("validation_accuracy")) {
      line(
          "validation   accuracy %.4f, loss %.4f nats per image",
          number(summary, "validation_accuracy"), number(summary, "validation_loss"));
    } else if (summary.containsKey("validation_loss")) {
      line(
          "validation   loss %.4f nats per token (perplexity %.2f); unigram model %.4f",
          number(summary, "validation_loss"),
          Math.exp(number(summary, "validation_loss")),
          number(summary, "unigram_loss"));
    }
    line("speed        %s on %s", speed(summary), summary.get("device"));
    if (!trained.sample().isEmpty()) {
      line("sample       %s", trained.sample().indent(2).strip());
    }
    line("run          %s: model/, metrics.jsonl, summary.json, report.html", trained.path());
  }

  void evaluated(EvaluateJob.Evaluated evaluated) {
    if (evaluated.confusion() != null) {
      ConfusionMatrix confusion = evaluated.confusion();
      line(
          "validation   accuracy %.4f, loss %.4f nats per image, %,d images",
          confusion.accuracy(), evaluated.loss(), evaluated.targets());
      text(confusion.table());
      return;
    }
    line(
        "validation   loss %.4f nats per token, perplexity %.2f, %,d tokens",
        evaluated.loss(), Math.exp(evaluated.loss()), evaluated.targets());
    if (evaluated.unigramLoss() != null) {
      line("unigram      loss %.4f", evaluated.unigramLoss());
    }
  }

  void predicted(PredictJob.Predicted predicted) {
    line("predictions  %,d rows in %s", predicted.rows(), predicted.path());
  }

  void exported(ExportJob.Written written) {
    text(ExportTable.of(written));
  }

  void benchmarks(List<BenchRow> rows) {
    text(BenchTable.header());
    BenchTable.lines(rows).forEach(this::text);
  }
}
