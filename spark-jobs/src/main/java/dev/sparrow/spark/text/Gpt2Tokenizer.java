package dev.sparrow.spark.text;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;
import com.knuddels.jtokkit.api.IntArrayList;

/**
 * GPT-2's byte pair encoding (r50k_base): 50,256 pairs and {@code <|endoftext|>}. Its tables are
 * inside jtokkit's jar.
 */
public record Gpt2Tokenizer() implements TextTokenizer {
  private static final int END_OF_TEXT = 50256;

  /** Loads the tables once per JVM, at the first use. */
  private static final class Tables {
    static final Encoding R50K =
        Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);
  }

  @Override
  public String identity() {
    return "gpt2";
  }

  @Override
  public int vocabularySize() {
    return END_OF_TEXT + 1;
  }

  @Override
  public int endOfText() {
    return END_OF_TEXT;
  }

  @Override
  public int[] encode(String text) {
    return Tables.R50K.encodeOrdinary(text).toArray();
  }

  @Override
  public String decode(int[] ids) {
    IntArrayList list = new IntArrayList(ids.length);
    for (int id : ids) {
      Ids.check(id, vocabularySize());
      list.add(id);
    }
    return Tables.R50K.decode(list);
  }
}
