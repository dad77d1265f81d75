package dev.sparrow.spark.shard;

import dev.sparrow.data.UnigramModel;
import dev.sparrow.spark.data.Columns;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.text.TextTokenizer;
import dev.sparrow.spark.text.TokenizerSpec;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Documents, which become rows of context + 1 tokens.
 *
 * <p>Every document is followed by end-of-text. Each partition packs its documents as one stream
 * per split; what fills no row at its end (at most context tokens) goes to the driver, which packs
 * all these tails in the order of partitions. So at most context tokens of a whole split are
 * dropped, and the manifest says how many. Nothing is padded.
 */
final class TokenKind implements ShardKind<TokenEncoder, int[], TokenFigures> {
  private final SourceSpec source;
  private final TokenizerSpec spec;
  private final TextTokenizer tokenizer;
  private final TokenRows rows;

  TokenKind(Configuration hadoop, SourceSpec source, TokenSettings settings) {
    this.source = source;
    this.spec = settings.tokenizer();
    this.tokenizer = spec.open(hadoop);
    this.rows = new TokenRows(settings.context());
  }

  @Override
  public List<String> columns() {
    return List.of(source.column());
  }

  @Override
  public void checkColumns(StructType schema) {
    if (source.tokenised()) {
      Columns.checkTokens(source.where(), schema, source.column());
    } else {
      Columns.checkText(source.where(), schema, source.column());
    }
  }

  @Override
  public List<Object> identity(ShardSettings settings) {
    return List.of(
        source.column(),
        source.tokenised(),
        rows.context(),
        settings.rowsPerFile(),
        settings.split(),
        tokenizer.identity());
  }

  @Override
  public TokenEncoder encoder(Dataset<Row> samples) {
    int vocabulary = tokenizer.vocabularySize();
    int endOfText = tokenizer.endOfText();
    DocumentReader reader =
        source.tokenised()
            ? new DocumentReader.Ids(source.column(), vocabulary, endOfText, wide(samples.schema()))
            : new DocumentReader.Text(tokenizer);
    return new TokenEncoder(reader, rows, vocabulary, endOfText);
  }

  private static boolean wide(StructType samples) {
    ArrayType type = (ArrayType) samples.fields()[0].dataType();
    return type.elementType().equals(DataTypes.LongType);
  }

  /** One more stream of all the tokens that filled no row of their partition. */
  @Override
  public PartitionResult.Part<TokenFigures> merge(
      List<PartitionResult.Part<TokenFigures>> parts, ShardFiles.Target rest) throws IOException {
    try (ShardFiles<int[]> files = new ShardFiles<>(rest, rows)) {
      TokenPacker packer = new TokenPacker(rows.context(), files::add);
      for (PartitionResult.Part<TokenFigures> part : parts) {
        packer.add(part.figures().tail(), part.figures().tail().length);
      }
      TokenFigures whole =
          new TokenFigures(
              parts.stream().mapToLong(part -> part.figures().documents()).sum(),
              parts.stream().mapToLong(part -> part.figures().tokens()).sum(),
              packer.tail());
      return PartitionResult.Part.of(parts, files.finish(), whole);
    }
  }

  @Override
  public String noRows(Split split, TokenFigures figures) {
    return "context "
        + rows.context()
        + " needs at least "
        + (rows.context() + 1)
        + " tokens, found "
        + figures.tokens()
        + " in "
        + figures.documents()
        + " documents; lower context, or "
        + (split == Split.TRAIN ? "add data" : "hold out more");
  }

  @Override
  public TokenContent content(
      TokenEncoder encoder, TokenFigures train, TokenFigures validation, long[][] counts) {
    return new TokenContent(
        rows.context(),
        new TokenContent.Tokenizer(
            spec.kind(),
            tokenizer.identity(),
            tokenizer.vocabularySize(),
            tokenizer.endOfText(),
            spec.endOfTextToken()),
        counts(train),
        counts(validation),
        unigramLoss(counts[Split.TRAIN.ordinal()], counts[Split.VALIDATION.ordinal()]));
  }

  private static TokenContent.Counts counts(TokenFigures figures) {
    return new TokenContent.Counts(figures.documents(), figures.tokens(), figures.tail().length);
  }

  /** What a unigram model of the training tokens loses on a validation token; null without any. */
  private static Double unigramLoss(long[] train, long[] validation) {
    boolean none = Arrays.stream(validation).allMatch(count -> count == 0);
    boolean untrained = Arrays.stream(train).allMatch(count -> count == 0);
    return none || untrained ? null : UnigramModel.loss(train, validation);
  }

  @Override
  public void keep(ManifestStore store) throws IOException {
    store.keepTokenizer(tokenizer);
  }
}
