package dev.sparrow.backend.cuda;

/**
 * What was queued last on a stream, kept so that an asynchronous error, which the driver reports at
 * some later call, can be told with a kernel's name. Rewritten in place: a launch makes no garbage.
 */
final class LastLaunch {
  private String kernel = "";
  private int gridX;
  private int gridY;
  private int gridZ;
  private int blockX;
  private int blockY;
  private int blockZ;
  private int sharedBytes;

  void set(Launch launch) {
    kernel = launch.name();
    gridX = launch.gridX();
    gridY = launch.gridY();
    gridZ = launch.gridZ();
    blockX = launch.blockX();
    blockY = launch.blockY();
    blockZ = launch.blockZ();
    sharedBytes = launch.sharedBytes();
  }

  /** Notes a graph, which has no grid of its own. */
  void setGraph(String name) {
    kernel = name;
    gridX = 0;
  }

  /** Such as {@code last launch on compute: adamw_f32 grid (64, 1, 1) ...}. */
  String describe(String stream) {
    if (kernel.isEmpty()) {
      return "nothing launched on " + stream + " yet";
    }
    String last = "last launch on " + stream + ": " + kernel;
    return gridX == 0
        ? last + " (graph)"
        : last + " " + dimensions(gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes);
  }

  static String dimensions(int gx, int gy, int gz, int bx, int by, int bz, int sharedBytes) {
    return "grid ("
        + gx
        + ", "
        + gy
        + ", "
        + gz
        + "), block ("
        + bx
        + ", "
        + by
        + ", "
        + bz
        + "), shared "
        + sharedBytes
        + " bytes";
  }
}
