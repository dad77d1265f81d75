package dev.sparrow.spark.text;

import dev.sparrow.spark.data.DataException;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * For data that is tokenised already: the text of an id is its decimal number, ids are separated by
 * white space. So a model of such data can be prompted, too.
 *
 * @param vocabularySize number of ids
 * @param endOfText the id that ends a document; it is appended where a document does not end in it
 */
public record IdsTokenizer(int vocabularySize, int endOfText) implements TextTokenizer {
  public IdsTokenizer {
    if (vocabularySize < 1 || endOfText < 0 || endOfText >= vocabularySize) {
      throw new DataException(
          "tokenizer ids: expected vocabulary > 0 and end-of-text in [0, vocabulary), got"
              + " vocabulary "
              + vocabularySize
              + ", end-of-text "
              + endOfText);
    }
  }

  @Override
  public String identity() {
    return "ids:" + vocabularySize + ":" + endOfText;
  }

  @Override
  public int[] encode(String text) {
    try {
      return Arrays.stream(text.strip().split("\\s+"))
          .filter(word -> !word.isEmpty())
          .mapToInt(Integer::parseInt)
          .peek(id -> Ids.check(id, vocabularySize))
          .toArray();
    } catch (NumberFormatException e) {
      throw new DataException(
          "text for tokenizer ids: expected numbers separated by spaces; " + e.getMessage(), e);
    }
  }

  @Override
  public String decode(int[] ids) {
    return Arrays.stream(ids).mapToObj(Integer::toString).collect(Collectors.joining(" "));
  }
}
