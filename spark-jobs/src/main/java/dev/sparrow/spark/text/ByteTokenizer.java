package dev.sparrow.spark.text;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** One id per UTF-8 byte, 0 to 255, and 256 for end of text. */
public record ByteTokenizer() implements TextTokenizer {
  private static final int END_OF_TEXT = 256;

  @Override
  public String identity() {
    return "bytes";
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
    return encodeUtf8(text.getBytes(StandardCharsets.UTF_8));
  }

  @Override
  public int[] encodeUtf8(byte[] utf8) {
    int[] ids = new int[utf8.length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = utf8[i] & 0xff;
    }
    return ids;
  }

  /** End-of-text ids have no text and are left out. */
  @Override
  public String decode(int[] ids) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(ids.length);
    for (int id : ids) {
      Ids.check(id, vocabularySize());
      if (id != END_OF_TEXT) {
        bytes.write(id);
      }
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
