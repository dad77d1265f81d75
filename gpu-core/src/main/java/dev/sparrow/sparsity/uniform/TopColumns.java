package dev.sparrow.sparsity.uniform;

import java.util.Arrays;

/**
 * The largest of a row's scores, found by a radix selection on the order of their bits, in time
 * linear in the row: its first digit is counted over the row, later ones among the scores alone
 * that share those before. Of equal scores the lower column comes first, so that every rank,
 * whatever its threads, chooses the same. Not for two threads at once.
 */
final class TopColumns {
  /** Of the first digit where rows are long: fewer scores share it. */
  private static final int LONG_BITS = 11;

  /** Columns from which on looking through so many counts is cheaper than sharing more. */
  private static final int LONG = 1024;

  private static final int BYTE = 0xff;

  private final int[] counts = new int[1 << LONG_BITS];

  /** Beside {@link #counts}: neighbours often share a digit, and one count waits for the last. */
  private final int[] oddCounts = new int[1 << LONG_BITS];

  private int[] keys = new int[0];
  private int[] rest = new int[0]; // those that share the digits found
  private int[] chosen = new int[0];
  private int equals; // of the least key, how many are among the largest

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
    int end = endOfEquals(least);
    if (chosen.length <= columns) {
      chosen = new int[columns + 1];
    }
    int at = above(0, end, least - 1, firstColumn, 0);
    above(end, columns, least, firstColumn, at);
    System.arraycopy(chosen, 0, out, to, count);
  }

  /** The score that the {@code count} largest reach, count from 1 to their number. */
  float least(float[] scores, int count) {
    int key = leastKey(scores, 0, scores.length, count);
    return Float.intBitsToFloat(key < 0 ? key ^ Integer.MAX_VALUE : key);
  }

  /** Column behind the last one of the least key that is among the largest. */
  private int endOfEquals(int least) {
    int left = equals;
    int c = 0;
    while (left > 0) {
      left -= keys[c++] == least ? 1 : 0;
    }
    return c;
  }

  /** Appends columns whose key is larger, without a branch that no processor can foresee. */
  private int above(int from, int to, int key, int firstColumn, int start) {
    int[] ks = keys;
    int[] out = chosen;
    int at = start;
    for (int c = from; c < to; c++) {
      out[at] = firstColumn + c;
      at += ks[c] > key ? 1 : 0;
    }
    return at;
  }

  private int leastKey(float[] scores, int from, int columns, int count) {
    if (keys.length < columns) {
      keys = new int[columns];
      rest = new int[columns + 1]; // the last, when all share a digit, takes none of them
    }
    int shift = Integer.SIZE - (columns < LONG ? Byte.SIZE : LONG_BITS);
    countFirst(scores, from, columns, shift);
    equals = count; // of those that share the digits found
    int found = digit((1 << Integer.SIZE - shift) - 1);
    int left = sharing(columns, shift, found);
    while (shift > 0) {
      int bits = Math.min(shift, Byte.SIZE);
      shift -= bits;
      countRest(left, shift, (1 << bits) - 1);
      int next = digit((1 << bits) - 1);
      found = found << bits | next;
      left = narrowed(left, shift, (1 << bits) - 1, next);
    }
    return found ^ Integer.MIN_VALUE;
  }

  private void countFirst(float[] scores, int from, int columns, int shift) {
    int[] ks = keys;
    int[] even = counts;
    int[] odd = oddCounts;
    int digits = 1 << Integer.SIZE - shift;
    Arrays.fill(even, 0, digits, 0);
    Arrays.fill(odd, 0, digits, 0);
    int c = 0;
    for (; c + 1 < columns; c += 2) {
      int first = key(scores[from + c]);
      int second = key(scores[from + c + 1]);
      ks[c] = first;
      ks[c + 1] = second;
      // Flipping the sign makes the order that of unsigned numbers, digit by digit.
      even[(first ^ Integer.MIN_VALUE) >>> shift]++;
      odd[(second ^ Integer.MIN_VALUE) >>> shift]++;
    }
    if (c < columns) {
      ks[c] = key(scores[from + c]);
      even[(ks[c] ^ Integer.MIN_VALUE) >>> shift]++;
    }
    for (int i = 0; i < digits; i++) {
      even[i] += odd[i];
    }
  }

  private void countRest(int left, int shift, int mask) {
    Arrays.fill(counts, 0, mask + 1, 0);
    for (int i = 0; i < left; i++) {
      counts[rest[i] >>> shift & mask]++;
    }
  }

  /** The digit of the least key; leaves how many of those that share it are among the largest. */
  private int digit(int largest) {
    int digit = largest;
    while (counts[digit] < equals) {
      equals -= counts[digit--];
    }
    return digit;
  }

  /** Unsigned keys with this first digit, into {@link #rest}; their number. */
  private int sharing(int columns, int shift, int digit) {
    int[] ks = keys;
    int[] out = rest;
    int at = 0;
    for (int c = 0; c < columns; c++) {
      int key = ks[c] ^ Integer.MIN_VALUE;
      out[at] = key;
      at += key >>> shift == digit ? 1 : 0;
    }
    return counts[digit];
  }

  private int narrowed(int left, int shift, int mask, int digit) {
    int at = 0;
    for (int i = 0; i < left; i++) {
      int key = rest[i];
      if ((key >>> shift & mask) == digit) {
        rest[at++] = key;
      }
    }
    return at;
  }

  /** In the order of the scores; both zeros are one. */
  private static int key(float score) {
    int bits = Float.floatToRawIntBits(score + 0f);
    return bits ^ bits >> Integer.SIZE - 1 & Integer.MAX_VALUE;
  }
}
