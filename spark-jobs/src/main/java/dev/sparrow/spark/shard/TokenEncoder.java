package dev.sparrow.spark.shard;

import java.io.IOException;
import org.apache.spark.sql.catalyst.InternalRow;

/**
 * Documents to rows of context + 1 tokens, end-of-text behind each document.
 *
 * @param ids the vocabulary's
 */
record TokenEncoder(DocumentReader reader, TokenRows rows, int ids, int endOfText)
    implements RowEncoder<int[], TokenFigures> {
  @Override
  public int columns() {
    return 1;
  }

  @Override
  public int[] read(InternalRow row) {
    int[] tokens = reader.tokens(row);
    return tokens.length == 0 ? null : tokens;
  }

  @Override
  public long hash(InternalRow row, int[] tokens, long seed) {
    return reader.hash(row, tokens, seed);
  }

  @Override
  public Writer writer(ShardFiles.Target target, long[] counts) {
    return new Writer(new ShardFiles<>(target, rows), counts);
  }

  /** Packs the documents of a split as one stream. */
  final class Writer implements SplitWriter<int[], TokenFigures> {
    private final ShardFiles<int[]> files;
    private final long[] counts;
    private final TokenPacker packer;
    private long documents;
    private long tokens;

    private Writer(ShardFiles<int[]> files, long[] counts) {
      this.files = files;
      this.counts = counts;
      this.packer = new TokenPacker(rows.context(), files::add);
    }

    @Override
    public void add(int[] document) throws IOException {
      int[] closed = reader.closed(document, endOfText);
      packer.add(closed, closed.length);
      documents++;
      tokens += closed.length;
      for (int id : closed) {
        counts[id]++;
      }
    }

    @Override
    public PartitionResult.Part<TokenFigures> finish() throws IOException {
      return new PartitionResult.Part<>(
          files.finish(), new TokenFigures(documents, tokens, packer.tail()));
    }

    @Override
    public void close() throws IOException {
      files.close();
    }
  }
}
