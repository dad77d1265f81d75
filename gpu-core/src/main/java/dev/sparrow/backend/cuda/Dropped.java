package dev.sparrow.backend.cuda;

/**
 * A probability of dropping as kernels take it: a draw is kept where its upper 24 bits are at least
 * {@code below}, and what is kept is multiplied by {@code scale}. The mask is the CPU's bit for
 * bit.
 */
record Dropped(int below, float scale) {
  static Dropped of(String op, double p) {
    if (!(p >= 0 && p < 1)) {
      throw new IllegalArgumentException(op + ": expected p in [0, 1), got " + p);
    }
    return new Dropped((int) Math.ceil(p * 0x1p24), (float) (1 / (1 - p)));
  }
}
