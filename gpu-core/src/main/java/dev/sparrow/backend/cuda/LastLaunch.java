package dev.sparrow.backend.cuda;

/**
 * What was queued last in a context, kept so that an asynchronous error, which the driver reports
 * at some later call on any stream, can be told with a kernel's name. Rewritten in place: a launch
 * makes no garbage.
 */
final class LastLaunch {
  private String stream = "";
  private String kernel = "";
  private Object call;
  private int gridX;
  private int gridY;
  private int gridZ;
  private int blockX;
  private int blockY;
  private int blockZ;
  private int sharedBytes;

  void set(String stream, Launch launch) {
    this.stream = stream;
    kernel = launch.name();
    call = null;
    gridX = launch.gridX();
    gridY = launch.gridY();
    gridZ = launch.gridZ();
    blockX = launch.blockX();
    blockY = launch.blockY();
    blockZ = launch.blockZ();
    sharedBytes = launch.sharedBytes();
  }

  /** Notes a graph, which has no grid of its own. */
  void setGraph(String stream, String name) {
    this.stream = stream;
    kernel = name;
    call = null;
    gridX = 0;
  }

  /** Notes a library's call, which describes itself when asked. */
  void setCall(String stream, Object call) {
    this.stream = stream;
    this.call = call;
  }

  /** Such as {@code last launch on compute: adamw_f32 grid (64, 1, 1) ...}. */
  String describe() {
    if (call != null) {
      return "last launch on " + stream + ": " + call;
    }
    if (kernel.isEmpty()) {
      return "nothing launched yet";
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
