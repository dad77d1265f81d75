package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.text.TextTokenizer;
import java.io.Serializable;
import java.util.Arrays;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.XXH64;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.UTF8String;

/** Takes the document out of column 0 of a row: its tokens, and the hash of its content. */
interface DocumentReader extends Serializable {
  /** Tokens without end-of-text; the row's column is not null. */
  int[] tokens(InternalRow row);

  /** Hash of the content, independent of where the row lies. */
  long hash(InternalRow row, int[] tokens, long seed);

  /** Whether end-of-text must be appended. */
  boolean open(int[] tokens);

  /** Reads text. */
  record Text(TextTokenizer tokenizer) implements DocumentReader {
    @Override
    public int[] tokens(InternalRow row) {
      return tokenizer.encodeUtf8(row.getUTF8String(0).getBytes());
    }

    @Override
    public long hash(InternalRow row, int[] tokens, long seed) {
      UTF8String text = row.getUTF8String(0);
      return XXH64.hashUTF8String(text, seed);
    }

    @Override
    public boolean open(int[] tokens) {
      return true;
    }
  }

  /**
   * Reads ids and checks them against the vocabulary.
   *
   * @param column for messages
   * @param wide whether the column holds longs
   */
  record Ids(String column, int vocabulary, int endOfText, boolean wide) implements DocumentReader {
    @Override
    public int[] tokens(InternalRow row) {
      ArrayData array = row.getArray(0);
      int count = array.numElements();
      int[] ids = new int[count];
      for (int i = 0; i < count; i++) {
        ids[i] = checked(array, i);
      }
      return ids;
    }

    private int checked(ArrayData array, int i) {
      if (array.isNullAt(i)) {
        throw new DataException(
            "column '" + column + "', token " + i + ": expected an id, got null; remove null ids");
      }
      long id = wide ? array.getLong(i) : array.getInt(i);
      if (id < 0 || id >= vocabulary) {
        throw new DataException(
            "column '"
                + column
                + "', token "
                + i
                + ": expected an id from 0 to "
                + (vocabulary - 1)
                + ", got "
                + id
                + "; set the vocabulary that the ids were made with");
      }
      return (int) id;
    }

    @Override
    public long hash(InternalRow row, int[] tokens, long seed) {
      return XXH64.hashUnsafeBytes(
          tokens, Platform.INT_ARRAY_OFFSET, Math.multiplyExact(4, tokens.length), seed);
    }

    @Override
    public boolean open(int[] tokens) {
      return tokens[tokens.length - 1] != endOfText;
    }
  }

  /** The tokens with end-of-text behind them, unless they end in it. */
  default int[] closed(int[] tokens, int endOfText) {
    if (!open(tokens)) {
      return tokens;
    }
    int[] longer = Arrays.copyOf(tokens, tokens.length + 1);
    longer[tokens.length] = endOfText;
    return longer;
  }
}
