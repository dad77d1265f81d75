package dev.sparrow.spark.text;

import dev.sparrow.spark.data.DataException;

/** The range check that every decoder makes. */
final class Ids {
  private Ids() {}

  static void check(int id, int vocabulary) {
    if (id < 0 || id >= vocabulary) {
      throw new DataException(
          "token id: expected 0 to "
              + (vocabulary - 1)
              + ", got "
              + id
              + "; use the tokenizer of"
              + " the model");
    }
  }
}
