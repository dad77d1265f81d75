package dev.sparrow.spark.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SparseLayerTest {
  /** Three rows of four: two non-zeros, none, two. */
  @Test
  void figuresOfASmallPatternAreThoseCountedByHand() {
    SparseLayer layer = SparseLayer.of("x", 3, 4, new int[] {1, 3, 8, 11}, 0, 1);
    assertEquals(1 - 4 / 12.0, layer.sparsity());
    assertEquals(2, layer.fanIn());
    assertEquals(2, layer.liveRows());
    assertEquals(0, layer.fanIns().first());
    assertArrayEquals(new int[] {1, 0, 2}, layer.fanIns().counts());
    assertEquals(0, layer.fanOuts().first());
    assertArrayEquals(new int[] {1, 2, 1}, layer.fanOuts().counts());
    assertEquals(1, layer.image().densest());
    byte on = (byte) 255;
    assertArrayEquals(new byte[] {0, on, 0, on, 0, 0, 0, 0, on, 0, 0, on}, layer.image().cells());
  }

  @Test
  void histogramsHaveAtMost32BinsThatHoldAllNumbers() {
    Random random = new Random(3);
    for (int most : new int[] {1, 31, 32, 33, 64, 65, 1000}) {
      int[] numbers = random.ints(500, 7, 7 + most).toArray();
      numbers[0] = 7;
      numbers[1] = 6 + most;
      Histogram histogram = Histogram.of(numbers);
      assertTrue(histogram.counts().length <= 32, "numbers of 7 to " + (6 + most));
      int[] expected = new int[histogram.counts().length];
      for (int bin = 0; bin < expected.length; bin++) {
        int from = 7 + bin * histogram.width();
        int to = from + histogram.width();
        expected[bin] = (int) Arrays.stream(numbers).filter(n -> n >= from && n < to).count();
      }
      assertArrayEquals(expected, histogram.counts(), "numbers of 7 to " + (6 + most));
      assertEquals(500, Arrays.stream(histogram.counts()).sum());
    }
  }

  /** Cells of an uneven grid: each holds the non-zeros of the rows and columns that fall in it. */
  @Test
  void cellsOfALargePatternHoldTheirShare() {
    int rows = 300;
    int columns = 129;
    int[] places = new Random(5).ints(0, rows * columns).distinct().limit(6000).sorted().toArray();
    PatternImage image = PatternImage.of(rows, columns, places);
    assertEquals(128, image.height());
    assertEquals(128, image.width());
    double[][] held = new double[128][128];
    double[][] room = new double[128][128];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        room[row * 128 / rows][column * 128 / columns]++;
        if (Arrays.binarySearch(places, row * columns + column) >= 0) {
          held[row * 128 / rows][column * 128 / columns]++;
        }
      }
    }
    double densest = 0;
    for (int i = 0; i < 128 * 128; i++) {
      densest = Math.max(densest, held[i / 128][i % 128] / room[i / 128][i % 128]);
    }
    assertEquals(densest, image.densest(), 1e-12);
    for (int i = 0; i < 128 * 128; i++) {
      double share = held[i / 128][i % 128] / room[i / 128][i % 128];
      assertEquals(255 * share / densest, Byte.toUnsignedInt(image.cells()[i]), 0.501, "cell " + i);
    }
  }

  @Test
  void aPageStaysSmallWhateverTheModel() throws IOException {
    int[] places = IntStream.range(0, 2048 * 102).map(i -> i / 102 * 2048 + i % 102 * 20).toArray();
    int pictures = 0;
    long bytes = 0;
    for (int i = 0; i < 100; i++) {
      SparseLayer layer = SparseLayer.of("layer " + i, 2048, 2048, places, i, 100);
      pictures += layer.image() == null ? 0 : 1;
      bytes += i % 10 == 0 ? new ObjectMapper().writeValueAsBytes(layer).length : 0;
    }
    assertEquals(8, pictures);
    assertTrue(bytes < 10 * 25_000, "of ten layers: " + bytes);
    assertNotNull(SparseLayer.of("first", 4, 4, new int[] {0}, 0, 100).image());
    assertNull(SparseLayer.of("second", 4, 4, new int[] {0}, 1, 100).image());
    assertNotNull(SparseLayer.of("last", 4, 4, new int[] {0}, 7, 8).image());
  }
}
