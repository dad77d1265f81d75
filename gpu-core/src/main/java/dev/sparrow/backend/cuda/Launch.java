package dev.sparrow.backend.cuda;

/**
 * A kernel with grid, block and dynamic shared memory. Made once per use and kept: giving it new
 * dimensions or arguments makes no garbage. Queued by {@link Stream#launch}. One thread at a time.
 *
 * <pre>
 *   launch.grid(blocks).block(256).arguments().tensor(x).int32(n).float32(scale);
 *   stream.launch(launch);
 * </pre>
 */
final class Launch {
  private static final int MOST_GRID_YZ = 65535;
  private static final int MOST_THREADS = 1024;
  private static final int MOST_BLOCK_Z = 64;

  private final Kernel kernel;
  private int gridX;
  private int gridY;
  private int gridZ;
  private int blockX;
  private int blockY;
  private int blockZ;
  private int sharedBytes;

  Launch(Kernel kernel) {
    this.kernel = kernel;
  }

  Launch grid(int x) {
    return grid(x, 1, 1);
  }

  /** Blocks; at least one in each direction, so that empty work is skipped by the caller. */
  Launch grid(int x, int y, int z) {
    gridX = x;
    gridY = y;
    gridZ = z;
    return this;
  }

  Launch block(int x) {
    return block(x, 1, 1);
  }

  /** Threads of a block. */
  Launch block(int x, int y, int z) {
    blockX = x;
    blockY = y;
    blockZ = z;
    return this;
  }

  /** Dynamic shared memory of a block. */
  Launch shared(int bytes) {
    sharedBytes = bytes;
    return this;
  }

  /** The kernel's argument block, emptied, to be packed in the order of its parameters. */
  ArgumentBlock arguments() {
    return kernel.arguments().clear();
  }

  Kernel kernel() {
    return kernel;
  }

  String name() {
    return kernel.name();
  }

  int gridX() {
    return gridX;
  }

  int gridY() {
    return gridY;
  }

  int gridZ() {
    return gridZ;
  }

  int blockX() {
    return blockX;
  }

  int blockY() {
    return blockY;
  }

  int blockZ() {
    return blockZ;
  }

  int sharedBytes() {
    return sharedBytes;
  }

  /** Checks the dimensions and makes the driver grant the shared memory. */
  void prepare() {
    requireDimensions();
    kernel.allowDynamicShared(sharedBytes);
  }

  void requireDimensions() {
    boolean gridFits = gridX >= 1 && inside(gridY, MOST_GRID_YZ) && inside(gridZ, MOST_GRID_YZ);
    boolean blockFits =
        inside(blockX, MOST_THREADS)
            && inside(blockY, MOST_THREADS)
            && inside(blockZ, MOST_BLOCK_Z)
            && blockX * blockY * blockZ <= MOST_THREADS;
    if (!gridFits || !blockFits || sharedBytes < 0 || sharedBytes > kernel.mostDynamicBytes()) {
      throw new IllegalArgumentException(
          "launch: expected grid 1.. by 1..65535 by 1..65535, block of 1..1024 threads, shared"
              + " 0.."
              + kernel.mostDynamicBytes()
              + " bytes, got "
              + describe());
    }
  }

  /** Such as {@code adamw_f32 grid (64, 1, 1), block (256, 1, 1), shared 0 bytes}. */
  String describe() {
    return name()
        + " "
        + LastLaunch.dimensions(gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes);
  }

  private static boolean inside(int value, int most) {
    return value >= 1 && value <= most;
  }
}
