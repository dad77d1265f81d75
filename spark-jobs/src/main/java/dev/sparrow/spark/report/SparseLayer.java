package dev.sparrow.spark.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Arrays;

/**
 * What a report shows of one sparse matrix; a few kilobytes whatever the matrix's size.
 *
 * @param sparsity share of zeros
 * @param fanIn non-zeros of a row that is not off
 * @param liveRows rows that are not off
 * @param fanIns rows by their number of non-zeros
 * @param fanOuts columns by their number of non-zeros
 * @param image null where a report has pictures enough
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record SparseLayer(
    String name,
    int rows,
    int columns,
    double sparsity,
    int fanIn,
    int liveRows,
    Histogram fanIns,
    Histogram fanOuts,
    PatternImage image) {
  private static final int MOST_PICTURES = 8;

  /**
   * @param places of the non-zeros, each {@code row·columns + column}
   * @param number of this layer, from 0 on
   * @param layers of the model; up to eight of them, evenly spread, are pictured
   */
  public static SparseLayer of(
      String name, int rows, int columns, int[] places, int number, int layers) {
    int[] fanIns = new int[rows];
    int[] fanOuts = new int[columns];
    for (int place : places) {
      fanIns[place / columns]++;
      fanOuts[place % columns]++;
    }
    return new SparseLayer(
        name,
        rows,
        columns,
        1 - places.length / ((double) rows * columns),
        Arrays.stream(fanIns).max().orElse(0),
        (int) Arrays.stream(fanIns).filter(count -> count > 0).count(),
        Histogram.of(fanIns),
        Histogram.of(fanOuts),
        isPictured(number, layers) ? PatternImage.of(rows, columns, places) : null);
  }

  /** Picture i is of layer ⌈i·layers / 8⌉. */
  private static boolean isPictured(int number, int layers) {
    return layers <= MOST_PICTURES
        || number == 0
        || number * MOST_PICTURES / layers > (number - 1) * MOST_PICTURES / layers;
  }
}
