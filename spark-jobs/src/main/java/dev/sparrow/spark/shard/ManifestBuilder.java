package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.text.TextTokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Adds up what the tasks of a shard job report, packs their tails, and refuses empty splits. */
final class ManifestBuilder {
  private final Configuration hadoop;
  private final ShardSettings settings;
  private final TextTokenizer tokenizer;
  private final SourceSpec source;
  private final List<PartitionResult> results;

  /**
   * @param results in the order of partitions
   */
  ManifestBuilder(
      Configuration hadoop,
      ShardSettings settings,
      TextTokenizer tokenizer,
      SourceSpec source,
      List<PartitionResult> results) {
    this.hadoop = hadoop;
    this.settings = settings;
    this.tokenizer = tokenizer;
    this.source = source;
    this.results = results;
  }

  /**
   * @param counts occurrences of each id, by split
   * @param hash of input and settings, or null
   * @throws DataException when there is nothing to train on
   */
  ShardManifest build(long[][] counts, String hash) throws IOException {
    checkNotEmpty();
    ShardManifest.Part train = part(Split.TRAIN);
    ShardManifest.Part validation = part(Split.VALIDATION);
    checkRows(Split.TRAIN, train);
    if (settings.split().wantsValidation()) {
      checkRows(Split.VALIDATION, validation);
    }
    return new ShardManifest(
        ShardManifest.SCHEMA_VERSION,
        settings.context(),
        describeTokenizer(),
        train,
        validation,
        sum(PartitionResult::nullDocuments),
        sum(PartitionResult::emptyDocuments),
        sum(PartitionResult::otherDocuments),
        TokenCounts.unigramLoss(counts[Split.TRAIN.ordinal()], counts[Split.VALIDATION.ordinal()]),
        hash);
  }

  private ShardManifest.Tokenizer describeTokenizer() {
    return new ShardManifest.Tokenizer(
        settings.tokenizer().kind(),
        tokenizer.identity(),
        tokenizer.vocabularySize(),
        tokenizer.endOfText(),
        settings.tokenizer().endOfTextToken());
  }

  private long sum(ToLongFunction<PartitionResult> count) {
    return results.stream().mapToLong(count).sum();
  }

  private void checkNotEmpty() {
    long rows = sum(PartitionResult::rows);
    if (rows == 0) {
      throw new DataException(source.where() + " holds no rows");
    }
    long skipped = results.stream().mapToLong(r -> r.nullDocuments() + r.emptyDocuments()).sum();
    if (skipped == rows) {
      throw new DataException(
          source.where()
              + ": column '"
              + source.column()
              + "' is null or empty in all "
              + rows
              + " rows; choose another column");
    }
  }

  private ShardManifest.Part part(Split split) throws IOException {
    List<ShardManifest.File> files = new ArrayList<>();
    long documents = 0;
    long tokens = 0;
    for (PartitionResult result : results) {
      PartitionResult.Part part = result.part(split);
      files.addAll(part.files());
      documents += part.documents();
      tokens += part.tokens();
    }
    PartitionResult.Part tails = packTails(split);
    files.addAll(tails.files());
    long rows = files.stream().mapToLong(ShardManifest.File::rows).sum();
    return new ShardManifest.Part(files, rows, documents, tokens, tails.tail().length);
  }

  /** One more stream of all the tokens that filled no row of their partition. */
  private PartitionResult.Part packTails(Split split) throws IOException {
    SplitWriter.Target target =
        new SplitWriter.Target(
            hadoop, new Path(settings.output()), settings.context(), settings.rowsPerFile());
    try (BufferAllocator memory = new RootAllocator();
        SplitWriter writer = new SplitWriter(target, split, "tails", memory)) {
      for (PartitionResult result : results) {
        writer.leftovers(result.part(split).tail());
      }
      return writer.finish();
    }
  }

  private void checkRows(Split split, ShardManifest.Part part) {
    if (part.rows() == 0) {
      throw new DataException(
          split.label()
              + " split: context "
              + settings.context()
              + " needs at least "
              + (settings.context() + 1)
              + " tokens, found "
              + part.tokens()
              + " in "
              + part.documents()
              + " documents; lower context, or "
              + (split == Split.TRAIN ? "add data" : "hold out more"));
    }
  }
}
