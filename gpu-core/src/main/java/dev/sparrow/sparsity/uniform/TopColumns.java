package dev.sparrow.sparsity.uniform;

import java.util.Arrays;

/**
 * The largest of a row's scores, found by a radix selection: a byte of their order at a time, in
 * time linear in the row. Of equal scores the lower column comes first, so that every rank,
 * whatever its threads, chooses the same.
 */
final class TopColumns {
  private static final int BYTE = 0xff;

  private final int[] histogram = new int[BYTE + 1];

  /**
   * @param scores from {@code from} on, no NaN
   * @param count columns wanted, 0 to {@code columns}
   * @param firstColumn number of the first column
   * @param out takes the columns, ascending, from {@code to} on
   */
  void choose(
      float[] scores, int from, int columns, int count, int firstColumn, int[] out, int to) {
    if (count == 0) {
      return;
    }
    int least = leastKey(scores, from, columns, count);
    int equals = count;
    for (int c = 0; c < columns; c++) {
      equals -= key(scores[from + c]) > least ? 1 : 0;
    }
    int at = to;
    for (int c = 0; c < columns; c++) {
      int key = key(scores[from + c]);
      if (key > least || key == least && equals-- > 0) {
        out[at++] = firstColumn + c;
      }
    }
  }

  /** The score that the {@code count} largest reach, count from 1 to their number. */
  float least(float[] scores, int count) {
    int key = leastKey(scores, 0, scores.length, count);
    return Float.intBitsToFloat(key < 0 ? key ^ Integer.MAX_VALUE : key);
  }

  private int leastKey(float[] scores, int from, int columns, int count) {
    int found = 0;
    int known = 0; // mask of the bytes found
    int left = count; // of those that share them
    for (int shift = Integer.SIZE - Byte.SIZE; shift >= 0; shift -= Byte.SIZE) {
      Arrays.fill(histogram, 0);
      for (int c = from; c < from + columns; c++) {
        // Flipping the sign makes the order that of unsigned numbers, byte by byte.
        int key = key(scores[c]) ^ Integer.MIN_VALUE;
        if (((key ^ found) & known) == 0) {
          histogram[key >>> shift & BYTE]++;
        }
      }
      int digit = BYTE;
      while (histogram[digit] < left) {
        left -= histogram[digit--];
      }
      found |= digit << shift;
      known |= BYTE << shift;
    }
    return found ^ Integer.MIN_VALUE;
  }

  /** In the order of the scores; both zeros are one. */
  private static int key(float score) {
    int bits = Float.floatToIntBits(score + 0f);
    return bits < 0 ? bits ^ Integer.MAX_VALUE : bits;
  }
}
