package dev.sparrow.spark.text;

import java.io.Serializable;
import java.nio.charset.StandardCharsets;

/**
 * Text to token ids and back. Instances travel to executors with the task and build their tables or
 * native part there, at the first use. Any number of threads may call one instance.
 */
public interface TextTokenizer extends Serializable {
  /** Name and version of the vocabulary: equal identities give equal ids for equal text. */
  String identity();

  /** Number of ids, the end-of-text id included: every id is in {@code [0, vocabularySize)}. */
  int vocabularySize();

  /** The id that ends a document. */
  int endOfText();

  /** Ids of a text without any special token; an end-of-text marker inside is plain text. */
  int[] encode(String text);

  /** As {@link #encode}, of UTF-8 bytes. */
  default int[] encodeUtf8(byte[] utf8) {
    return encode(new String(utf8, StandardCharsets.UTF_8));
  }

  /** Text of the ids; bytes that are not UTF-8 become U+FFFD. */
  String decode(int[] ids);
}
