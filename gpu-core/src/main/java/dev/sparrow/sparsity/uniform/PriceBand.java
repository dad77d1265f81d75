package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.HostLoop;
import java.util.Arrays;

/**
 * How many rows of a matrix choose each column under changing prices. A full look also lists, for
 * each row, the columns whose net score lies within a reach R of the least one chosen, T. Until
 * prices have moved by R against each other, columns above T + R stay chosen and those below T - R
 * stay out: if prices have since moved by d_c, with d in [a, b] and b - a at most R, the least
 * chosen lies in [T - b, T - a].
 */
final class PriceBand {
  /** Scores of a task. */
  private static final int GRAIN = 1 << 20;

  /** Of the reach, left for rounding. */
  private static final double USED = 0.99;

  private final int rows;
  private final int columns;
  private final int fanIn;
  private final float[] scores;
  private final int first; // of the matrix in the scores
  private final HostLoop loop;
  private final int grain; // rows of a task
  private final Block[] blocks;
  private float[] listedAt; // prices of the lists; null: there are none
  private double reach;

  PriceBand(PatternFormat format, HostLoop loop, float[] scores, int firstGroup, int fanIn) {
    this.rows = format.matrixGroups();
    this.columns = format.columns();
    this.fanIn = fanIn;
    this.scores = scores;
    this.first = firstGroup * columns;
    this.loop = loop;
    this.grain = Math.max(1, GRAIN / columns);
    this.blocks = new Block[(rows + grain - 1) / grain];
    Arrays.setAll(blocks, b -> new Block(Math.min(grain, rows - b * grain)));
  }

  /** What a task keeps of its rows. */
  private final class Block {
    final TopColumns top = new TopColumns();
    final int[] ends; // (rows), of each row's list
    final int[] wanted; // (rows), columns of the list that are chosen
    final int[] certain = new int[columns]; // rows that choose the column whatever the list's do
    final int[] counts = new int[columns];
    final float[] net = new float[columns];
    final int[] chosen = new int[fanIn];
    int[] list = new int[0]; // columns

    Block(int count) {
      ends = new int[count];
      wanted = new int[count];
    }
  }

  /**
   * Rows that choose each column, (columns).
   *
   * @param prices (columns)
   * @param wantedReach of lists to make should those at hand be of no more use; 0: none
   */
  int[] counts(float[] prices, double wantedReach) {
    if (listedAt != null && spread(prices, listedAt) <= USED * reach) {
      loop.forEach(blocks.length, b -> lookAtLists(b, prices));
    } else {
      reach = wantedReach;
      listedAt = wantedReach > 0 ? prices.clone() : null;
      loop.forEach(blocks.length, b -> lookAtAll(b, prices));
    }
    int[] counts = new int[columns];
    for (Block block : blocks) {
      for (int c = 0; c < columns; c++) {
        counts[c] += block.counts[c];
      }
    }
    return counts;
  }

  private static double spread(float[] prices, float[] before) {
    double least = Double.POSITIVE_INFINITY;
    double most = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < prices.length; c++) {
      double moved = (double) prices[c] - before[c];
      least = Math.min(least, moved);
      most = Math.max(most, moved);
    }
    return most - least;
  }

  private void lookAtAll(int number, float[] prices) {
    Block block = blocks[number];
    Arrays.fill(block.counts, 0);
    Arrays.fill(block.certain, 0);
    int end = 0;
    for (int row = 0; row < block.ends.length; row++) {
      int at = first + (number * grain + row) * columns;
      for (int c = 0; c < columns; c++) {
        block.net[c] = scores[at + c] - prices[c];
      }
      block.top.choose(block.net, 0, columns, fanIn, 0, block.chosen, 0);
      float least = Float.POSITIVE_INFINITY;
      for (int column : block.chosen) {
        block.counts[column]++;
        least = Math.min(least, block.net[column]);
      }
      if (listedAt != null) {
        end = list(block, row, least, end);
      }
    }
  }

  /** Appends a row's list; gives the end. */
  private int list(Block block, int row, double least, int start) {
    if (block.list.length < start + columns) {
      block.list = Arrays.copyOf(block.list, Math.max(start + columns, 2 * block.list.length));
    }
    double above = least + reach;
    double below = least - reach;
    int end = start;
    int certain = 0;
    for (int c = 0; c < columns; c++) {
      double net = block.net[c];
      int sure = net > above ? 1 : 0;
      block.certain[c] += sure;
      certain += sure;
      block.list[end] = c;
      end += net >= below ? 1 - sure : 0;
    }
    block.ends[row] = end;
    block.wanted[row] = fanIn - certain;
    return end;
  }

  private void lookAtLists(int number, float[] prices) {
    Block block = blocks[number];
    System.arraycopy(block.certain, 0, block.counts, 0, columns);
    int from = 0;
    for (int row = 0; row < block.ends.length; row++) {
      int at = first + (number * grain + row) * columns;
      int length = block.ends[row] - from;
      for (int i = 0; i < length; i++) {
        int c = block.list[from + i];
        block.net[i] = scores[at + c] - prices[c];
      }
      int wanted = block.wanted[row];
      block.top.choose(block.net, 0, length, wanted, from, block.chosen, 0);
      for (int i = 0; i < wanted; i++) {
        block.counts[block.list[block.chosen[i]]]++;
      }
      from = block.ends[row];
    }
  }
}
