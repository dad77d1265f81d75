package dev.sparrow.backend.cuda;

import dev.sparrow.backend.PatternColumns;
import dev.sparrow.backend.UniformPattern;
import java.util.Arrays;

/**
 * A sparse matrix in the order in which kernels walk it ({@code sparse/sliced.cuh}, {@code
 * sparse/group_spmm.cu}): slices of a few lists of entries, tile of columns after tile. Of a slice
 * in a tile all lists have as many entries, whole steps; what one lacks is filled up.
 *
 * @param starts (slices · tiles + 1) the first step of each tile of a slice
 * @param columns (steps, lists of a slice, entries of a step) column within its tile: a byte each,
 *     0 where one is filled up; in wide tiles two, the low one first, 65535
 * @param sources (as columns) which of the values an entry is, of the list's first row; -1: none
 */
record SparseWalk(int[] starts, byte[] columns, int[] sources) {
  static final int TILE_COLUMNS = 256;

  /** Of {@link #byWideLists}. */
  static final int WIDE_TILE_COLUMNS = 304;

  /** Rows of a list of {@link #byWideLists}. */
  static final int WIDE_LIST_ROWS = 64;

  /** Entries of a step of {@link #byWideLists}: 16 bytes of columns. */
  private static final int WIDE_STEP = 8;

  /** Columns that differ modulo this lie in different banks of shared memory. */
  private static final int BANKS = 8;

  /** Lists that a warp walks side by side, and 16 bytes of packed entries. */
  private static final int QUARTERS = 4;

  private static final int ENTRIES_PER_STEP = 4;

  /** Depth of a tensor core's product. */
  private static final int RUN = 16;

  /**
   * @param starts (lists + 1), where a list begins in the others
   * @param columns ascending in each list
   * @param sources which of the values an entry is
   */
  private record Lists(int[] starts, int[] columns, int[] sources) {
    int count() {
      return starts.length - 1;
    }
  }

  /**
   * @param side lists of a slice
   * @param perStep entries of a list in a step
   * @param tileColumns up to 256, or of wide tiles up to 65534
   */
  private record Cut(int side, int perStep, int tileColumns) {
    Cut(int side, int perStep) {
      this(side, perStep, TILE_COLUMNS);
    }

    int tiles(int columns) {
      return (columns + tileColumns - 1) / tileColumns;
    }

    int columnBytes() {
      return tileColumns > TILE_COLUMNS ? 2 : 1;
    }
  }

  /** By rows, four side by side. */
  static SparseWalk byRows(UniformPattern pattern) {
    return walk(lists(pattern, 1), pattern.columns(), new Cut(QUARTERS, ENTRIES_PER_STEP));
  }

  /** By fours of rows that share their columns, four fours side by side. */
  static SparseWalk byFours(UniformPattern pattern) {
    return walk(lists(pattern, 4), pattern.columns(), new Cut(QUARTERS, 1));
  }

  /** By columns of the weight, whose entries are its rows. */
  static SparseWalk byColumns(UniformPattern pattern) {
    PatternColumns columns = PatternColumns.of(pattern);
    Lists lists = new Lists(columns.starts(), columns.rows(), columns.sources());
    return walk(lists, pattern.rows(), new Cut(QUARTERS, ENTRIES_PER_STEP));
  }

  /**
   * By rows of tensor cores' products, with neighbours in different banks.
   *
   * @param listRows rows of one group that are taken together
   */
  static SparseWalk byLists(UniformPattern pattern, int listRows) {
    return walk(lists(pattern, listRows), pattern.columns(), new Cut(1, RUN));
  }

  /** By lists of 64 rows, in tiles of 304 columns, for {@code sparse/group_scatter_wgmma.cu}. */
  static SparseWalk byWideLists(UniformPattern pattern) {
    Cut cut = new Cut(1, WIDE_STEP, WIDE_TILE_COLUMNS);
    return walk(lists(pattern, WIDE_LIST_ROWS), pattern.columns(), cut);
  }

  /** Entries that a kernel packs, those that fill up among them. */
  int entries() {
    return sources.length;
  }

  int steps() {
    return starts[starts.length - 1];
  }

  /** Each {@code listRows} neighbouring rows of the matrix; they are of one group. */
  private static Lists lists(UniformPattern pattern, int listRows) {
    int count = pattern.rows() / listRows;
    int fanIn = pattern.fanIn();
    int[] starts = new int[count + 1];
    int[] columns = new int[Math.multiplyExact(pattern.liveRows() / listRows, fanIn)];
    int[] sources = new int[columns.length];
    int at = 0;
    for (int list = 0, live = 0; list < count; list++) {
      starts[list] = at;
      if (live < pattern.liveRows() && pattern.row(live) == list * listRows) {
        System.arraycopy(pattern.indices(), pattern.start(live), columns, at, fanIn);
        for (int i = 0; i < fanIn; i++) {
          sources[at + i] = Math.addExact(Math.multiplyExact(live, fanIn), i);
        }
        at += fanIn;
        live += listRows;
      }
    }
    starts[count] = at;
    return new Lists(starts, columns, sources);
  }

  private static SparseWalk walk(Lists lists, int columns, Cut cut) {
    int side = cut.side;
    int perStep = cut.perStep;
    int tiles = cut.tiles(columns);
    int[] ends = ends(lists, tiles, cut.tileColumns);
    int[] starts = starts(lists, ends, tiles, cut);
    int entries = Math.multiplyExact(starts[starts.length - 1], side * perStep);
    byte[] places = new byte[Math.multiplyExact(entries, cut.columnBytes())];
    SparseWalk walk = new SparseWalk(starts, places, new int[entries]);
    Arrays.fill(walk.sources, -1);
    if (cut.columnBytes() > 1) {
      Arrays.fill(places, (byte) -1);
    }
    int[] order = new int[cut.tileColumns];
    for (int list = 0; list < lists.count(); list++) {
      int from = lists.starts[list];
      for (int tile = 0; tile < tiles; tile++) {
        int to = ends[list * tiles + tile];
        order(lists, from, to, side == 1, order);
        int step = starts[list / side * tiles + tile];
        for (int i = 0; i < to - from; i++) {
          int at = ((step + i / perStep) * side + list % side) * perStep + i % perStep;
          int column = lists.columns[order[i]] % cut.tileColumns;
          for (int part = 0; part < cut.columnBytes(); part++) {
            places[at * cut.columnBytes() + part] = (byte) (column >> 8 * part);
          }
          walk.sources[at] = lists.sources[order[i]];
        }
        from = to;
      }
    }
    return walk;
  }

  /** (lists, tiles): where a list leaves a tile. */
  private static int[] ends(Lists lists, int tiles, int tileColumns) {
    int[] ends = new int[Math.multiplyExact(lists.count(), tiles)];
    for (int list = 0; list < lists.count(); list++) {
      int at = lists.starts[list];
      for (int tile = 0; tile < tiles; tile++) {
        while (at < lists.starts[list + 1] && lists.columns[at] / tileColumns == tile) {
          at++;
        }
        ends[list * tiles + tile] = at;
      }
    }
    return ends;
  }

  private static int[] starts(Lists lists, int[] ends, int tiles, Cut cut) {
    int side = cut.side;
    int slices = (lists.count() + side - 1) / side;
    int[] starts = new int[slices * tiles + 1];
    for (int list = 0; list < lists.count(); list++) {
      int from = lists.starts[list];
      for (int tile = 0; tile < tiles; tile++) {
        int to = ends[list * tiles + tile];
        int next = list / side * tiles + tile + 1;
        starts[next] = Math.max(starts[next], (to - from + cut.perStep - 1) / cut.perStep);
        from = to;
      }
    }
    for (int i = 1; i < starts.length; i++) {
      starts[i] = Math.addExact(starts[i], starts[i - 1]);
    }
    return starts;
  }

  /**
   * Ascending; or dealt, so that columns that differ modulo 8 follow each other while they last.
   */
  private static void order(Lists lists, int from, int to, boolean dealt, int[] order) {
    int count = 0;
    if (!dealt) {
      for (int i = from; i < to; i++) {
        order[count++] = i;
      }
      return;
    }
    int[][] banks = new int[BANKS][order.length / BANKS];
    int[] sizes = new int[BANKS];
    for (int i = from; i < to; i++) {
      int bank = lists.columns[i] % BANKS;
      banks[bank][sizes[bank]++] = i;
    }
    for (int round = 0; count < to - from; round++) {
      for (int bank = 0; bank < BANKS; bank++) {
        if (round < sizes[bank]) {
          order[count++] = banks[bank][round];
        }
      }
    }
  }
}
