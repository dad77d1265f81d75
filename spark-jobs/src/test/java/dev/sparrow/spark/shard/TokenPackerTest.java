package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TokenPackerTest {
  @Test
  void neighbouringRowsShareOneToken() throws IOException {
    List<int[]> rows = new ArrayList<>();
    TokenPacker packer = new TokenPacker(3, row -> rows.add(row.clone()));
    packer.add(new int[] {0, 1}, 2);
    packer.add(new int[] {2, 3, 4, 5, 6, 7, 8, 99}, 7);
    assertEquals(2, rows.size());
    assertArrayEquals(new int[] {0, 1, 2, 3}, rows.get(0));
    assertArrayEquals(new int[] {3, 4, 5, 6}, rows.get(1));
    assertArrayEquals(new int[] {7, 8}, packer.tail());
  }

  @Test
  void everyTokenButTheFirstIsATargetOnceOrInTheTail() throws IOException {
    for (int context : new int[] {1, 2, 7, 8}) {
      for (int tokens = 0; tokens < 40; tokens++) {
        List<Integer> targets = new ArrayList<>();
        TokenPacker packer =
            new TokenPacker(
                context, row -> IntStream.range(1, row.length).forEach(i -> targets.add(row[i])));
        int[] stream = IntStream.range(0, tokens).toArray();
        packer.add(stream, tokens);
        boolean packed = !targets.isEmpty();
        IntStream.of(packer.tail()).forEach(targets::add);
        List<Integer> expected = IntStream.range(packed ? 1 : 0, tokens).boxed().toList();
        assertEquals(expected, targets, "context " + context + ", tokens " + tokens);
      }
    }
  }
}
