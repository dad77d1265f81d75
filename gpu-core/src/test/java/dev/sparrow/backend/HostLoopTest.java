package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class HostLoopTest {
  private static List<String> ranges(int length, int grain) {
    List<String> ranges = new ArrayList<>();
    HostLoop.INLINE.ranges(length, grain, (from, to) -> ranges.add(from + " to " + to));
    return ranges;
  }

  @Test
  void rangesFollowEachOtherToTheEnd() {
    assertEquals(List.of("0 to 4", "4 to 8", "8 to 10"), ranges(10, 4));
    assertEquals(List.of("0 to 4", "4 to 8"), ranges(8, 4));
    assertEquals(List.of("0 to 1"), ranges(1, 4));
    assertEquals(List.of(), ranges(0, 4));
  }

  @Test
  void theLastRangeMayEndWhereIntegersDo() {
    int half = 1 << 30;
    assertEquals(
        List.of("0 to " + half, half + " to " + Integer.MAX_VALUE),
        ranges(Integer.MAX_VALUE, half));
  }
}
