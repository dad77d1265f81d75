package dev.sparrow.bench;

import dev.sparrow.backend.UniformPattern;
import java.util.List;
import java.util.Random;

/**
 * How the non-zeros of a measured weight lie.
 *
 * @param name in the rows of the bench
 * @param groupRows rows that share their columns
 * @param bankColumns columns that hold the same number of each row's non-zeros; 0: anywhere
 */
record SpmmFormat(String name, int groupRows, int bankColumns) {
  static final List<SpmmFormat> ALL =
      List.of(
          new SpmmFormat("plain", 1, 0),
          new SpmmFormat("bank128", 1, 128),
          new SpmmFormat("g4", 4, 0),
          new SpmmFormat("g16", 16, 0));

  /** Random columns for {@code percent} zeros, or the fewest less that fill all banks alike. */
  UniformPattern pattern(SpmmShape shape, int percent, Random random) {
    int bank = bankColumns == 0 ? shape.in() : bankColumns;
    int banks = shape.in() / bank;
    int fanIn = Math.max(1, (int) Math.round(shape.in() * (100 - percent) / 100.0));
    int perBank = (fanIn + banks - 1) / banks;
    int groups = shape.out() / groupRows;
    int[] indices = new int[groups * banks * perBank];
    for (int i = 0; i < groups * banks; i++) {
      int first = i % banks * bank;
      int[] chosen = random.ints(0, bank).distinct().limit(perBank).sorted().toArray();
      for (int j = 0; j < perBank; j++) {
        indices[i * perBank + j] = first + chosen[j];
      }
    }
    int[] all = UniformPattern.allGroups(groups);
    return new UniformPattern(
        shape.out(), shape.in(), banks * perBank, groupRows, bank, all, indices);
  }
}
