package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class UniformPatternTest {
  @Test
  void rowsOfTheValuesAreThoseOfLiveGroupsInOrder() {
    UniformPattern pattern =
        new UniformPattern(6, 4, 2, 2, 4, new int[] {0, 2}, new int[] {0, 3, 1, 2});
    assertEquals(4, pattern.liveRows());
    assertEquals(8, pattern.nonZeros());
    assertEquals(1 - 8.0 / 24, pattern.sparsity());
    assertEquals(4, pattern.row(2));
    assertEquals(5, pattern.row(3));
    assertArrayEquals(new int[] {0, 3, 4, 7, 17, 18, 21, 22}, pattern.places());
    assertEquals(0, pattern.start(1));
    assertEquals(2, pattern.start(2));
    assertEquals("2 of 4 in each of 4 rows, shared by 2, 2 rows off", pattern.toString());
  }

  @Test
  void patternsAreEqualByContent() {
    UniformPattern a = UniformPattern.ofRows(2, 3, 1, new int[] {0, 2});
    assertEquals(a, UniformPattern.ofRows(2, 3, 1, new int[] {0, 2}));
    assertEquals(a.hashCode(), UniformPattern.ofRows(2, 3, 1, new int[] {0, 2}).hashCode());
    assertNotEquals(a, UniformPattern.ofRows(2, 3, 1, new int[] {1, 2}));
    assertArrayEquals(new int[] {0, 1}, a.liveGroupNumbers());
  }

  @Test
  void whatIsNoPatternIsRefused() {
    refused("fan-in of 1 to 3", () -> UniformPattern.ofRows(2, 3, 0, new int[0]));
    refused("fan-in of 1 to 3", () -> UniformPattern.ofRows(1, 3, 4, new int[4]));
    refused("indices of 2 groups of 2", () -> UniformPattern.ofRows(2, 3, 2, new int[3]));
    refused("in [0, 3), got 3 after 0", () -> UniformPattern.ofRows(1, 3, 2, new int[] {0, 3}));
    refused("got 1 after 1", () -> UniformPattern.ofRows(1, 3, 2, new int[] {1, 1}));
    refused("of row 1", () -> UniformPattern.ofRows(2, 3, 2, new int[] {0, 1, 2, 1}));
    refused("got -1 after -1", () -> UniformPattern.ofRows(1, 3, 1, new int[] {-1}));
    int[] one = {0};
    refused("divide 5 rows", () -> new UniformPattern(5, 4, 1, 2, 4, new int[] {0}, new int[] {0}));
    refused("divide 4 columns", () -> new UniformPattern(1, 4, 1, 1, 3, one, new int[] {0}));
    refused(
        "in [2, 4), got 1 after 0", () -> new UniformPattern(1, 4, 2, 1, 2, one, new int[] {0, 1}));
    refused(
        "rise from 0 to 1", () -> new UniformPattern(2, 4, 1, 1, 4, new int[] {2}, new int[] {0}));
  }

  private static void refused(String what, org.junit.jupiter.api.function.Executable make) {
    String message = assertThrows(IllegalArgumentException.class, make).getMessage();
    assertTrue(message.contains(what), message);
  }
}
