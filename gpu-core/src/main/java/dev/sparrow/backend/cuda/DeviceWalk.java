package dev.sparrow.backend.cuda;

/**
 * A {@link SparseWalk} in device memory, which its pattern frees.
 *
 * @param starts address of int32
 * @param columns address of bytes
 * @param sources address of int32
 */
record DeviceWalk(int steps, int entries, long starts, long columns, long sources) {
  static DeviceWalk upload(PatternMemory memory, SparseWalk walk) {
    return new DeviceWalk(
        walk.steps(),
        walk.entries(),
        memory.upload("steps", walk.starts()),
        memory.upload("entries' columns", walk.columns()),
        memory.upload("entries' values", walk.sources()));
  }
}
