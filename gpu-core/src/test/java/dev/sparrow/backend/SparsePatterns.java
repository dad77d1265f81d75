package dev.sparrow.backend;

import java.util.Arrays;
import java.util.Random;

/** Random patterns for tests. */
public final class SparsePatterns {
  private SparsePatterns() {}

  /**
   * @param perBank non-zeros of a row in each bank
   * @param offEvery every n-th group is off; 0 for none
   */
  public static UniformPattern random(
      long seed, int rows, int columns, int perBank, int groupRows, int bankColumns, int offEvery) {
    Random random = new Random(seed);
    int banks = columns / bankColumns;
    int[] live = UniformPattern.allGroups(rows / groupRows);
    if (offEvery > 0) {
      live = Arrays.stream(live).filter(g -> (g + 1) % offEvery != 0).toArray();
    }
    int[] indices = new int[live.length * banks * perBank];
    int at = 0;
    for (int g = 0; g < live.length; g++) {
      for (int bank = 0; bank < banks; bank++) {
        int[] chosen = random.ints(0, bankColumns).distinct().limit(perBank).sorted().toArray();
        for (int column : chosen) {
          indices[at++] = bank * bankColumns + column;
        }
      }
    }
    return new UniformPattern(
        rows, columns, banks * perBank, groupRows, bankColumns, live, indices);
  }

  /** The pattern of the plain format: anywhere in its row, all rows live. */
  static UniformPattern plain(long seed, int rows, int columns, int fanIn) {
    return random(seed, rows, columns, fanIn, 1, columns, 0);
  }

  /** The words of a pattern's mask for {@link SparseOps#mask}, one place after the other. */
  public static int[] maskWords(UniformPattern pattern) {
    int[] words = new int[SparseOps.maskWords(pattern.rows() * pattern.columns())];
    for (int place : pattern.places()) {
      words[place / Integer.SIZE] |= 1 << place % Integer.SIZE;
    }
    return words;
  }
}
