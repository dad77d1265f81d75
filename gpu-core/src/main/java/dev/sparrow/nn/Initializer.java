package dev.sparrow.nn;

/**
 * How a parameter starts: normally distributed around a mean. The draws are a function of the run's
 * seed and the parameter's name, so that adding a layer changes no other layer's start.
 *
 * @param standardDeviation 0: every element is the mean
 */
public record Initializer(double mean, double standardDeviation) {
  public static final Initializer ZEROS = new Initializer(0, 0);
  public static final Initializer ONES = new Initializer(1, 0);

  /** N(0, standardDeviation²). */
  public static Initializer normal(double standardDeviation) {
    return new Initializer(0, standardDeviation);
  }
}
