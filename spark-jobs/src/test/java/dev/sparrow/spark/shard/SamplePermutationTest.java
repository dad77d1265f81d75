package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.spark.data.DataException;
import java.util.BitSet;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class SamplePermutationTest {
  @Test
  void everyIndexHasOneImage() {
    for (int size : new int[] {1, 2, 3, 255, 256, 257, 1000, 4097}) {
      SamplePermutation permutation = new SamplePermutation(size, 5, 0);
      BitSet seen = new BitSet(size);
      for (int i = 0; i < size; i++) {
        long image = permutation.at(i);
        assertTrue(image >= 0 && image < size, size + ": " + image);
        seen.set((int) image);
      }
      assertEquals(size, seen.cardinality(), "size " + size);
    }
  }

  @Test
  void imagesBeyondTheRangeOfIntStayInside() {
    long size = (1L << 40) + 12345;
    SamplePermutation permutation = new SamplePermutation(size, 5, 3);
    List<Long> images = LongStream.range(0, 1000).map(permutation::at).boxed().toList();
    assertTrue(images.stream().allMatch(image -> image >= 0 && image < size));
    assertEquals(1000, images.stream().distinct().count());
    assertTrue(images.stream().anyMatch(image -> image > size / 2));
  }

  @Test
  void seedAndEpochEachGiveAnotherOrder() {
    List<Long> order = order(1, 0);
    assertEquals(order, order(1, 0));
    assertNotEquals(order, order(2, 0));
    assertNotEquals(order, order(1, 1));
  }

  @Test
  void positionsSpreadOverTheWholeRange() {
    // Mean image of the first tenth: 5000 ± 91 at one standard error of a uniform draw; five here.
    SamplePermutation permutation = new SamplePermutation(10_000, 77, 0);
    double mean = LongStream.range(0, 1000).map(permutation::at).average().orElseThrow();
    assertEquals(5000, mean, 5 * 91.3, "mean image of seed 77");
  }

  @Test
  void epochsEndWhereNoGlobalBatchFits() {
    SampleOrder order = new SampleOrder(10, 4, 1, false);
    assertEquals(8, order.samplesPerEpoch());
    assertEquals(7, order.row(7));
    assertEquals(0, order.row(8));
    DataException tooFew = assertThrows(DataException.class, () -> new SampleOrder(3, 4, 1, true));
    assertTrue(tooFew.getMessage().contains("takes 4 rows, found 3"), tooFew.getMessage());
  }

  private static List<Long> order(long seed, long epoch) {
    SamplePermutation permutation = new SamplePermutation(100, seed, epoch);
    return LongStream.range(0, 100).map(permutation::at).boxed().toList();
  }
}
