package dev.sparrow.spark.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ConfusionMatrixTest {
  @Test
  void sumsAddUpAndAccuracyIsTheDiagonalsShare() {
    List<String> classes = List.of("cat", "dog");
    ConfusionMatrix one = new ConfusionMatrix(classes, List.of(List.of(3L, 1L), List.of(0L, 2L)));
    ConfusionMatrix two = new ConfusionMatrix(classes, List.of(List.of(1L, 1L), List.of(2L, 0L)));
    ConfusionMatrix sum = one.plus(two);
    assertEquals(List.of(List.of(4L, 2L), List.of(2L, 2L)), sum.counts());
    assertEquals(6 / 10.0, sum.accuracy());
  }

  @Test
  void aTableHasARowForEachTrueClass() {
    ConfusionMatrix matrix =
        new ConfusionMatrix(
            List.of("cat", "hippopotamuses"), List.of(List.of(3L, 10L), List.of(0L, 2000L)));
    assertEquals(
        """
        true\\predicted          cat hippopotamus
        cat                       3           10
        hippopotamus              0         2000""",
        matrix.table());
  }

  @Test
  void ofManyClassesTheCommonestMistakesAreTold() {
    List<String> classes = IntStream.range(0, 30).mapToObj(i -> "c" + i).toList();
    List<List<Long>> counts =
        IntStream.range(0, 30)
            .mapToObj(
                i ->
                    IntStream.range(0, 30)
                        .mapToObj(
                            j -> i == j ? 50L : i == 7 && j == 3 ? 9L : i == 1 && j == 2 ? 4L : 0L)
                        .toList())
            .toList();
    assertEquals(
        "       9  c7 taken for c3\n       4  c1 taken for c2",
        new ConfusionMatrix(classes, counts).table());
  }
}
