package dev.sparrow.spark.report;

/**
 * What a report shows of a matrix that has factors.
 *
 * @param matrices of experts, or 1
 * @param rank of each
 */
public record LowRankLayer(String name, int matrices, int out, int in, int rank) {
  /** Of the whole matrices. */
  public long getParametersBefore() {
    return (long) matrices * out * in;
  }

  /** Of the factors. */
  public long getParameters() {
    return (long) matrices * rank * (out + in);
  }
}
