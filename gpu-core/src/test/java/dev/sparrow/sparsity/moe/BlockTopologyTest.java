package dev.sparrow.sparsity.moe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;

class BlockTopologyTest {
  /** {219, 2246, 5, 8103, 1, 1117, 4693, 0}: a skewed load with an empty expert. */
  private static final int[][] LOADS = {
    {0, 1, 127, 128, 129}, {219, 2246, 5, 8103, 1, 1117, 4693, 0}, {0, 0, 300}, {1}, {0, 0}
  };

  private static int[] padded(int[] loads, int block) {
    int[] starts = new int[loads.length + 1];
    for (int e = 0; e < loads.length; e++) {
      starts[e + 1] = starts[e] + loads[e];
    }
    int[] padded = new int[starts.length];
    Padding.toMultiple(block).pad(starts, padded);
    return padded;
  }

  private record Block(int row, int column, int number) {}

  /** By asking of every (block row, block column) whether it belongs to the row's expert. */
  private static List<Block> scan(int[] starts, int columns, int block) {
    List<Block> blocks = new ArrayList<>();
    int experts = starts.length - 1;
    for (int row = 0; row * block < starts[experts]; row++) {
      for (int column = 0; column < experts * columns; column++) {
        int expert = column / columns;
        if (row * block >= starts[expert] && row * block < starts[expert + 1]) {
          blocks.add(new Block(row, column, blocks.size()));
        }
      }
    }
    return blocks;
  }

  @Test
  void topologyEqualsAScanOfAllBlocks() {
    for (int[] loads : LOADS) {
      int[] starts = padded(loads, 128);
      BlockTopology topology = new BlockTopology(starts, 384, 128);
      List<Block> blocks = scan(starts, 3, 128);
      assertEquals(blocks.size(), topology.blocks());
      assertArrayEquals(blocks.stream().mapToInt(Block::row).toArray(), topology.rowIndices());
      assertArrayEquals(
          blocks.stream().mapToInt(Block::column).toArray(), topology.columnIndices());
      for (int r = 0; r <= topology.rows(); r++) {
        int row = r;
        long before = blocks.stream().filter(b -> b.row() < row).count();
        assertEquals(before, topology.offsets()[r]);
      }
    }
  }

  @Test
  void closedFormTransposeEqualsTheSortedOne() {
    for (int[] loads : LOADS) {
      int[] starts = padded(loads, 128);
      BlockTopology topology = new BlockTopology(starts, 256, 128);
      List<Block> blocks = scan(starts, 2, 128);
      blocks.sort(Comparator.comparingInt(Block::column).thenComparingInt(Block::row));
      assertArrayEquals(
          blocks.stream().mapToInt(Block::number).toArray(), topology.transposedBlocks());
      for (int c = 0; c <= topology.allColumns(); c++) {
        int column = c;
        long before = blocks.stream().filter(b -> b.column() < column).count();
        assertEquals(before, topology.transposedOffsets()[c]);
      }
    }
  }

  @Test
  void paddedRowsStayBelowTheBoundKnownBeforeRouting() {
    for (int[] loads : LOADS) {
      int rows = 0;
      for (int load : loads) {
        rows += load;
      }
      int used = padded(loads, 128)[loads.length];
      int bound = Padding.toMultiple(128).bound(rows, loads.length);
      assertEquals(Math.min(used, bound), used);
    }
  }

  @Test
  void raggedStartsAndHiddenAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> new BlockTopology(new int[] {0, 3}, 8, 4));
    assertThrows(IllegalArgumentException.class, () -> new BlockTopology(new int[] {0, 4}, 6, 4));
  }
}
