package dev.sparrow.spark.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.spark.data.DataException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;

class TextTokenizerTest {
  private static final List<String> TEXTS =
      List.of("", "a", "def f(x):\n\treturn x", "Grüße, 世界 🙂", "<|endoftext|> is text", "  two  ");

  @Test
  void bytesAndGpt2GiveBackEveryText() {
    for (TextTokenizer tokenizer : List.of(new ByteTokenizer(), new Gpt2Tokenizer())) {
      for (String text : TEXTS) {
        int[] ids = tokenizer.encode(text);
        assertEquals(text, tokenizer.decode(ids), tokenizer.identity());
        assertTrue(Arrays.stream(ids).allMatch(id -> id >= 0 && id < tokenizer.endOfText()));
        assertArrayEquals(ids, tokenizer.encodeUtf8(text.getBytes(StandardCharsets.UTF_8)));
      }
      assertEquals(tokenizer.vocabularySize() - 1, tokenizer.endOfText());
    }
  }

  @Test
  void bytesAreTheUtf8BytesOfTheText() {
    assertArrayEquals(new int[] {97, 0xc3, 0xbc}, new ByteTokenizer().encode("aü"));
  }

  @Test
  void gpt2GivesTheIdsOfItsPublishedVocabulary() {
    Gpt2Tokenizer gpt2 = new Gpt2Tokenizer();
    assertArrayEquals(new int[] {15496, 11, 995, 0}, gpt2.encode("Hello, world!"));
    assertEquals(50257, gpt2.vocabularySize());
    assertEquals("Hello<|endoftext|>", gpt2.decode(new int[] {15496, 50256}));
  }

  @Test
  void tokenizerJsonEncodesWholeTextsWithoutSpecialTokens() throws Exception {
    TextTokenizer tokenizer = new HuggingFaceTextTokenizer(tinyJson(), null);
    assertArrayEquals(
        new int[] {1, 2, 3, 4, 1, 5, 0}, tokenizer.encode("The cat sat on the mat ?"));
    assertEquals(7, tokenizer.vocabularySize());
    assertEquals(6, tokenizer.endOfText());
    assertEquals("the cat", tokenizer.decode(new int[] {1, 2, 6}));
  }

  @Test
  void tokenizerJsonWithoutTheNamedTokenSaysSo() throws Exception {
    String json = tinyJson();
    DataException unknown =
        assertThrows(DataException.class, () -> new HuggingFaceTextTokenizer(json, "<stop>"));
    assertTrue(unknown.getMessage().contains("<stop>"), unknown.getMessage());
    DataException none =
        assertThrows(
            DataException.class,
            () -> new HuggingFaceTextTokenizer(json.replace("</s>", "<end>"), null));
    assertTrue(none.getMessage().contains("end-of-text"), none.getMessage());
    assertThrows(DataException.class, () -> new HuggingFaceTextTokenizer("{", null));
  }

  @Test
  void identityTellsVocabulariesApart() throws Exception {
    String json = tinyJson();
    String identity = new HuggingFaceTextTokenizer(json, null).identity();
    String other = new HuggingFaceTextTokenizer(json.replace("mat", "rug"), null).identity();
    assertNotEquals(identity, other);
    assertEquals(identity, new HuggingFaceTextTokenizer(json, "</s>").identity());
  }

  @Test
  void everyTokenizerTravelsToAnotherJvm() throws Exception {
    for (TextTokenizer tokenizer :
        List.of(
            new ByteTokenizer(),
            new Gpt2Tokenizer(),
            new IdsTokenizer(100, 7),
            new HuggingFaceTextTokenizer(tinyJson(), null))) {
      String text = tokenizer instanceof IdsTokenizer ? "3 1" : "the cat";
      int[] ids = tokenizer.encode(text);
      assertArrayEquals(ids, copy(tokenizer).encode(text), tokenizer.identity());
    }
  }

  @Test
  void idsOutsideTheVocabularyAreRefused() {
    assertArrayEquals(new int[] {3, 12}, new IdsTokenizer(100, 7).encode(" 3  12\n"));
    assertEquals("3 12", new IdsTokenizer(100, 7).decode(new int[] {3, 12}));
    for (TextTokenizer tokenizer : List.of(new ByteTokenizer(), new Gpt2Tokenizer())) {
      int[] beyond = {tokenizer.vocabularySize()};
      assertThrows(DataException.class, () -> tokenizer.decode(beyond));
    }
    assertThrows(DataException.class, () -> new IdsTokenizer(100, 7).encode("100"));
    assertThrows(DataException.class, () -> new IdsTokenizer(100, 7).encode("seven"));
    assertThrows(DataException.class, () -> new IdsTokenizer(100, 100));
  }

  @Test
  void specNamesTheNearestKindAndTheMissingFile() {
    DataException kind =
        assertThrows(DataException.class, () -> new TokenizerSpec("byte", null, null, 0, 0));
    assertTrue(kind.getMessage().contains("did you mean 'bytes'"), kind.getMessage());
    TokenizerSpec missing = TokenizerSpec.huggingFace("no/such/tokenizer.json", null);
    DataException file = assertThrows(DataException.class, () -> missing.open(new Configuration()));
    assertTrue(file.getMessage().contains("does not exist"), file.getMessage());
  }

  static String tinyJson() throws IOException {
    try (var in = TextTokenizerTest.class.getResourceAsStream("/tiny-tokenizer.json")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static TextTokenizer copy(TextTokenizer tokenizer) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(tokenizer);
    }
    try (var in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
      return (TextTokenizer) in.readObject();
    }
  }
}
