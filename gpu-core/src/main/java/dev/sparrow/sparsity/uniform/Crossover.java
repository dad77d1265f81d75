package dev.sparrow.sparsity.uniform;

/**
 * What timings have told of layers of one kind: by their non-zeros fewer of them are never slower,
 * as a whole matrix all numbers cost the same. So one timing answers for a range of them.
 */
final class Crossover {
  /**
   * Of a matrix: with more non-zeros than that, leaving out the zeros could save next to nothing.
   */
  private static final double NEARLY_WHOLE = 0.9;

  /** More non-zeros than were timed cost no more time than that, within what may be lost. */
  private static final double WIDENED = 1.05;

  /**
   * Non-zeros that a timing is repeated at if it was slower by little, over those it was made at.
   */
  private static final double NARROWED = 0.9;

  /** The same if it was slower by much: one that was disturbed is then not believed for long. */
  private static final double NARROWED_FAR = 0.5;

  /** Time may fall faster than non-zeros do: what is needed then fits into a nearer cache. */
  private static final double SUPERLINEAR = 1.1;

  private long sparseUpTo; // non-zeros with which they alone were faster
  private double wholeAbove; // non-zeros with which the whole matrix is

  /** An answer, or that a timing must give it. */
  enum Form {
    SPARSE,
    WHOLE,
    UNKNOWN
  }

  /**
   * @param elements of the whole matrix
   */
  Crossover(long elements) {
    this.wholeAbove = NEARLY_WHOLE * elements;
  }

  Form form(long nonZeros) {
    if (nonZeros <= WIDENED * sparseUpTo) {
      return Form.SPARSE;
    }
    return nonZeros > wholeAbove ? Form.WHOLE : Form.UNKNOWN;
  }

  /**
   * By the non-zeros a layer takes at least {@code a + b·n} with a and b not negative: r times as
   * slow as a whole one with n non-zeros it stays slower down to n/r.
   */
  void learn(long nonZeros, ProductTimes times) {
    if (times.sparseIsFaster()) {
      sparse(nonZeros);
      return;
    }
    double even = SUPERLINEAR * nonZeros * times.wholeNanos() / times.sparseNanos();
    double next = Math.min(NARROWED * nonZeros, Math.max(NARROWED_FAR * nonZeros, even));
    wholeAbove = Math.min(wholeAbove, next);
  }

  /** As if a timing had just told so. */
  void sparse(long nonZeros) {
    sparseUpTo = Math.max(sparseUpTo, nonZeros);
  }

  /** As if a timing had just told so, by little. */
  void whole(long nonZeros) {
    wholeAbove = Math.min(wholeAbove, NARROWED * nonZeros);
  }
}
