package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;
import dev.sparrow.tensor.Tensor;

/**
 * What the sparse products of a backend, grouped or not, share: threads and the memory that a
 * product needs until it returns.
 */
final class SparseScratch {
  /** Elements of a copy that a task takes. */
  static final int COPY_GRAIN = 1 << 15;

  final HostPool pool;
  final TaskScratch tasks;
  final BatchTiles xTiles;
  final BatchTiles dyTiles;
  private float[] valuesByColumn = {};

  SparseScratch(HostPool pool) {
    this.pool = pool;
    this.tasks = new TaskScratch(pool);
    this.xTiles = new BatchTiles(pool, tasks);
    this.dyTiles = new BatchTiles(pool, tasks);
  }

  /** The values in the order of the columns, so that a column reads its own in a row. */
  float[] byColumn(Tensor values, CpuSparsePattern sparse) {
    int[] sources = sparse.sourcesByColumn();
    if (valuesByColumn.length < sources.length) {
      valuesByColumn = new float[sources.length];
    }
    float[] to = valuesByColumn;
    float[] vs = HeapStorage.floats(values);
    int v0 = HeapStorage.offset(values);
    pool.ranges(
        sources.length,
        COPY_GRAIN,
        (from, end) -> SparseCopies.gather(vs, v0, sources, from, to, from, end - from));
    return to;
  }
}
