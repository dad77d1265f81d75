package dev.sparrow.backend.cpu;

import dev.sparrow.backend.HostPool;

/** Each thread's own {@link AlignedFloats} within the tasks of a pool. */
final class TaskScratch {
  private final HostPool pool;
  private final float[][] memory;

  TaskScratch(HostPool pool) {
    this.pool = pool;
    this.memory = new float[pool.threads()][0];
  }

  /** The calling thread's array; what it holds is whatever the thread left there. */
  float[] atLeast(int floats) {
    int slot = pool.slot();
    memory[slot] = AlignedFloats.atLeast(memory[slot], floats);
    return memory[slot];
  }
}
