package dev.sparrow.backend.cpu;

/**
 * Copies through lists of indices. Element by element: gathering vectors was no faster (AVX-512),
 * but a method of their own that keeps the arrays in locals is, three times.
 */
final class SparseCopies {
  private SparseCopies() {}

  /** {@code to_i = from[index_i]}. */
  static void gather(
      float[] from, int from0, int[] indices, int i0, float[] to, int to0, int count) {
    for (int i = 0; i < count; i++) {
      to[to0 + i] = from[from0 + indices[i0 + i]];
    }
  }

  /** {@code to_i += from[index_i]}. */
  static void addGathered(
      float[] from, int from0, int[] indices, int i0, float[] to, int to0, int count) {
    for (int i = 0; i < count; i++) {
      to[to0 + i] += from[from0 + indices[i0 + i]];
    }
  }

  /** {@code to[index_i] = from_i}. */
  static void scatter(
      float[] from, int from0, int[] indices, int i0, float[] to, int to0, int count) {
    for (int i = 0; i < count; i++) {
      to[to0 + indices[i0 + i]] = from[from0 + i];
    }
  }
}
