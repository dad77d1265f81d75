package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.UniformPattern;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ShortBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SparseWalkTest {
  private static final int TILE = SparseWalk.TILE_COLUMNS;

  /** Every third group is off. */
  private static UniformPattern pattern(int rows, int columns, int fanIn, int groupRows) {
    Random random = new Random(5);
    int[] live =
        Arrays.stream(UniformPattern.allGroups(rows / groupRows)).filter(g -> g % 3 != 1).toArray();
    int[] indices =
        Arrays.stream(live)
            .flatMap(g -> random.ints(0, columns).distinct().limit(fanIn).sorted())
            .toArray();
    return new UniformPattern(rows, columns, fanIn, groupRows, columns, live, indices);
  }

  /** Places (row, column) of all entries of lists of rows, each at {@code row·columns + column}. */
  private static Set<Integer> places(
      UniformPattern pattern, SparseWalk walk, int side, int perStep, int listRows) {
    int tiles = (pattern.columns() + TILE - 1) / TILE;
    int[] expected = pattern.places();
    Set<Integer> places = new HashSet<>();
    for (int part = 0; part < walk.starts().length - 1; part++) {
      for (int step = walk.starts()[part]; step < walk.starts()[part + 1]; step++) {
        for (int i = 0; i < side * perStep; i++) {
          int at = step * side * perStep + i;
          if (walk.sources()[at] < 0) {
            continue;
          }
          int list = part / tiles * side + i / perStep;
          int column = part % tiles * TILE + (walk.columns()[at] & 0xff);
          int place = list * listRows * pattern.columns() + column;
          assertEquals(expected[walk.sources()[at]], place, "entry " + at);
          assertTrue(places.add(place), "twice: entry " + at);
        }
      }
    }
    return places;
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 1", "9, 255, 20", "8, 256, 256", "13, 257, 100", "6, 1000, 3"})
  void eachNonZeroIsWalkedOnceInItsRowAndTile(int rows, int columns, int fanIn) {
    UniformPattern pattern = pattern(rows, columns, fanIn, 1);
    SparseWalk walk = SparseWalk.byRows(pattern);
    assertEquals(pattern.nonZeros(), places(pattern, walk, 4, 4, 1).size());
    assertEquals(walk.steps() * 16, walk.entries());
  }

  @ParameterizedTest
  @CsvSource({"4, 255, 20, 4", "48, 257, 100, 8", "64, 600, 31, 16"})
  void rowsThatShareColumnsAreWalkedTogether(int rows, int columns, int fanIn, int groupRows) {
    UniformPattern pattern = pattern(rows, columns, fanIn, groupRows);
    long shared = pattern.nonZeros();
    SparseWalk fours = SparseWalk.byFours(pattern);
    assertEquals(shared / 4, places(pattern, fours, 4, 1, 4).size());
    if (groupRows >= 8) {
      SparseWalk lists = SparseWalk.byLists(pattern, groupRows);
      assertEquals(shared / groupRows, places(pattern, lists, 1, 16, groupRows).size());
    }
  }

  @Test
  void columnsAreWalkedWithTheirRowsInOrder() {
    UniformPattern pattern = UniformPattern.ofRows(2, 3, 2, new int[] {0, 2, 1, 2});
    SparseWalk walk = SparseWalk.byColumns(pattern);
    assertArrayEquals(new int[] {0, 1}, walk.starts());
    assertArrayEquals(
        new int[] {0, -1, -1, -1, 2, -1, -1, -1, 1, 3, -1, -1, -1, -1, -1, -1}, walk.sources());
    assertArrayEquals(new byte[] {0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, walk.columns());
  }

  @Test
  void wideListsHoldEachNonZeroOfTheirRowsOnce() {
    UniformPattern pattern = pattern(384, 700, 61, 64);
    SparseWalk walk = SparseWalk.byWideLists(pattern);
    ShortBuffer columns =
        ByteBuffer.wrap(walk.columns()).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer();
    int[] expected = pattern.places();
    int tiles = 3; // of 304 columns
    assertEquals(6 * tiles + 1, walk.starts().length);
    Set<Integer> sources = new HashSet<>();
    for (int part = 0; part < 6 * tiles; part++) {
      for (int at = 8 * walk.starts()[part]; at < 8 * walk.starts()[part + 1]; at++) {
        int source = walk.sources()[at];
        int column = columns.get(at) & 0xffff;
        assertEquals(source < 0, column == 0xffff, "entry " + at);
        if (source >= 0) {
          int row = part / tiles * 64;
          assertEquals(expected[source], row * 700 + part % tiles * 304 + column, "entry " + at);
          assertTrue(sources.add(source), "twice: entry " + at);
        }
      }
    }
    assertEquals(pattern.nonZeros() / 64, sources.size());
  }

  /** Else eight rows that a tensor core loads together would meet the same bank. */
  @Test
  void columnsOfAListAreDealtOverTheBanks() {
    UniformPattern pattern =
        new UniformPattern(
            8, 32, 10, 8, 32, new int[] {0}, new int[] {0, 1, 8, 9, 11, 16, 18, 20, 21, 30});
    SparseWalk walk = SparseWalk.byLists(pattern, 8);
    assertArrayEquals(
        new byte[] {0, 1, 18, 11, 20, 21, 30, 8, 9, 16, 0, 0, 0, 0, 0, 0}, walk.columns());
  }
}
