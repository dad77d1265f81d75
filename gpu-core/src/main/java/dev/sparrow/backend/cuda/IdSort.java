package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Tensor;

/**
 * Stable radix sort of token ids by digits of eight bits ({@code nn/embedding.cu}), so that equal
 * ids become neighbours in the order in which they stand. Results hold until the next sort.
 */
final class IdSort {
  private static final int TILE = 1024;
  private static final int DIGITS = 256;
  private static final int DIGIT_BITS = 8;
  private static final int SCAN_THREADS = 1024;

  private final KernelQueue queue;
  private final Launch count;
  private final Launch scan;
  private final Launch scatter;
  private final Scratch memory;

  /**
   * @param ids device address of I32 (n), ascending
   * @param order device address of I32 (n): where each stood
   */
  record Sorted(long ids, long order) {}

  IdSort(KernelQueue queue) {
    this.queue = queue;
    this.count = queue.kernel("id_sort_count_i32");
    this.scan = queue.kernel("id_sort_scan_i32");
    this.scatter = queue.kernel("id_sort_scatter_i32");
    this.memory = queue.scratch("sorted ids");
  }

  /**
   * @param ids I32 (n), n at least 1, each in [0, vocabulary)
   */
  Sorted sort(Tensor ids, int vocabulary) {
    int n = Math.toIntExact(ids.size());
    int tiles = (n + TILE - 1) / TILE;
    long array = (long) n * Integer.BYTES;
    // Two pairs of arrays in turn, then the counts.
    long address = memory.bytes(4 * array + (long) DIGITS * tiles * Integer.BYTES);
    Sorted[] pairs = {
      new Sorted(address, address + array), new Sorted(address + 2 * array, address + 3 * array)
    };
    long counts = address + 4 * array;
    Sorted from = new Sorted(DeviceStorage.address(ids), 0);
    int shift = 0;
    for (int pass = 0; pass == 0 || vocabulary - 1 >> shift > 0; pass++) {
      Sorted to = pairs[pass % 2];
      pass(from, n, shift, tiles, counts, to);
      from = to;
      shift += DIGIT_BITS;
    }
    return from;
  }

  private void pass(Sorted from, int n, int shift, int tiles, long counts, Sorted to) {
    count.grid(tiles).block(32);
    count.arguments().address(from.ids).int32(n).int32(shift).address(counts);
    queue.run(count);
    scan.grid(1).block(Math.min(SCAN_THREADS, DIGITS * tiles));
    scan.arguments().address(counts).int32(DIGITS * tiles);
    queue.run(scan);
    scatter.grid(tiles).block(32);
    scatter
        .arguments()
        .address(from.ids)
        .address(from.order)
        .int32(n)
        .int32(shift)
        .address(counts)
        .address(to.ids)
        .address(to.order);
    queue.run(scatter);
  }
}
