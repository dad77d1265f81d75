package dev.sparrow.spark.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.spark.data.DataException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Any Hugging Face {@code tokenizer.json}, through the native library in DJL's jar. Neither special
 * tokens nor truncation nor padding of the file apply: documents are encoded whole and plain.
 */
public final class HuggingFaceTextTokenizer implements TextTokenizer {
  /** Names of the end-of-text token in the known families, most specific first. */
  private static final List<String> END_OF_TEXT_NAMES =
      List.of("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "[EOS]", "[SEP]");

  private static final Map<String, String> PLAIN =
      Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");

  private final String json;
  private final String identity;
  private final int vocabularySize;
  private final int endOfText;
  private transient volatile HuggingFaceTokenizer tokenizer;

  /**
   * @param json content of a tokenizer.json
   * @param endOfTextToken the token that ends a document, or null to look for the usual names
   */
  public HuggingFaceTextTokenizer(String json, String endOfTextToken) {
    Map<String, Integer> vocabulary = vocabulary(json);
    String token = endOfTextToken == null ? usualEndOfText(vocabulary) : endOfTextToken;
    if (!vocabulary.containsKey(token)) {
      throw new DataException(
          "tokenizer.json has no token '" + token + "'; name one that ends a document");
    }
    this.json = json;
    this.endOfText = vocabulary.get(token);
    this.vocabularySize = 1 + vocabulary.values().stream().max(Integer::compare).orElseThrow();
    this.identity = "huggingface:" + Digests.sha256(json) + ":" + endOfText;
  }

  /** The tokenizer.json itself, to be kept beside what it made. */
  public String json() {
    return json;
  }

  @Override
  public String identity() {
    return identity;
  }

  @Override
  public int vocabularySize() {
    return vocabularySize;
  }

  @Override
  public int endOfText() {
    return endOfText;
  }

  @Override
  public int[] encode(String text) {
    return toInts(tokenizer().encode(text, false, false).getIds());
  }

  /** Special tokens have no text and are left out. */
  @Override
  public String decode(int[] ids) {
    long[] wide = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      Ids.check(ids[i], vocabularySize);
      wide[i] = ids[i];
    }
    return tokenizer().decode(wide, true);
  }

  /** Built at the first use in each JVM that a task brings this object to. */
  private HuggingFaceTokenizer tokenizer() {
    HuggingFaceTokenizer built = tokenizer;
    if (built == null) {
      synchronized (this) {
        built = tokenizer == null ? build() : tokenizer;
        tokenizer = built;
      }
    }
    return built;
  }

  private HuggingFaceTokenizer build() {
    // Offline, DJL takes the CPU library from its jar, downloads nothing and reports nothing.
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("OPT_OUT_TRACKING", "true");
    try {
      return HuggingFaceTokenizer.newInstance(
          new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), PLAIN);
    } catch (IOException | RuntimeException e) {
      throw new DataException("tokenizer.json cannot be used: " + e.getMessage(), e);
    }
  }

  private static Map<String, Integer> vocabulary(String json) {
    JsonNode root = parse(json);
    Map<String, Integer> ids = new HashMap<>();
    JsonNode vocabulary = root.path("model").path("vocab");
    if (vocabulary.isArray()) {
      // Unigram models list [token, score] in the order of their ids.
      for (int id = 0; id < vocabulary.size(); id++) {
        ids.put(vocabulary.get(id).path(0).asText(), id);
      }
    } else {
      vocabulary.properties().forEach(e -> ids.put(e.getKey(), e.getValue().asInt()));
    }
    root.path("added_tokens")
        .forEach(token -> ids.put(token.path("content").asText(), token.path("id").asInt()));
    if (ids.isEmpty()) {
      throw new DataException("tokenizer.json: expected model.vocab with tokens, found none");
    }
    return ids;
  }

  private static JsonNode parse(String json) {
    try {
      return new ObjectMapper().readTree(json);
    } catch (JsonProcessingException e) {
      throw new DataException("tokenizer.json is not JSON: " + e.getOriginalMessage(), e);
    }
  }

  private static String usualEndOfText(Map<String, Integer> vocabulary) {
    return END_OF_TEXT_NAMES.stream()
        .filter(vocabulary::containsKey)
        .findFirst()
        .orElseThrow(
            () ->
                new DataException(
                    "tokenizer.json: found none of the end-of-text tokens "
                        + END_OF_TEXT_NAMES
                        + "; name the token that ends a document"));
  }

  private static int[] toInts(long[] ids) {
    return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
  }
}
