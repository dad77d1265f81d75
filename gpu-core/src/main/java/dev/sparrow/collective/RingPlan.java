package dev.sparrow.collective;

import dev.sparrow.collective.Transfer.Segment;

/**
 * Which parts a rank sends and receives, in order. Reduce-scatter: in step s rank r sends part r -
 * 1 - s and adds part r - 2 - s, so that after n - 1 steps it holds the sum of part r, whose order
 * is ((x[r+1] + x[r+2]) + ...) + x[r]. All-gather goes on in the same sequence, replacing instead
 * of adding: Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms", 2009.
 */
final class RingPlan {
  private final int rank;
  private final int size;

  RingPlan(int rank, int size) {
    this.rank = rank;
    this.size = size;
  }

  Transfer allReduce(CallHeader header, Elements elements) {
    return steps(header, elements, rank - 1, 2 * (size - 1), size - 1);
  }

  Transfer reduceScatter(CallHeader header, Elements elements) {
    return steps(header, elements, rank - 1, size - 1, size - 1);
  }

  Transfer allGather(CallHeader header, Elements elements) {
    return steps(header, elements, rank, size - 1, 0);
  }

  /**
   * {@code count} steps, in each of which the part received in the one before is sent on.
   *
   * @param first the part sent first
   * @param sums steps, from the first on, whose incoming part is added
   */
  private Transfer steps(CallHeader header, Elements elements, int first, int count, int sums) {
    Segment[] sends = new Segment[count];
    Segment[] receives = new Segment[count];
    long incoming = 0;
    long after = Segment.NOW;
    for (int step = 0; step < count; step++) {
      sends[step] = part(elements, first - step, after, false);
      receives[step] = part(elements, first - 1 - step, Segment.NOW, step < sums);
      after = incoming;
      incoming += receives[step].length();
    }
    return new Transfer(header, elements.unit(), sends, receives);
  }

  private Segment part(Elements elements, int part, long after, boolean sum) {
    int index = Math.floorMod(part, size);
    long start = Collective.partStart(elements.length(), index, size);
    long end = Collective.partStart(elements.length(), index + 1, size);
    return new Segment(elements, (int) start, (int) (end - start), after, sum);
  }

  /** A chain from the root to its left neighbour; every rank sends on what has arrived. */
  Transfer broadcast(CallHeader header, Elements elements) {
    boolean isRoot = rank == header.root();
    boolean isLast = (rank + 1) % size == header.root();
    Segment[] none = {};
    long after = isRoot ? Segment.NOW : 0;
    Segment[] whole = {new Segment(elements, 0, elements.length(), after, false)};
    return new Transfer(header, elements.unit(), isLast ? none : whole, isRoot ? none : whole);
  }
}
