package dev.sparrow.backend.cuda;

import dev.sparrow.backend.cuda.GemmCall.Form;
import java.util.EnumMap;
import java.util.Map;

/**
 * Launches of {@code gemm/mma_gemm.cu}: tensor cores by mma.sync, sm_80 and up, for bf16 operands
 * whose rows start on 16 bytes.
 */
final class MmaGemm implements GemmEngine {
  /** Rows and columns of C that a block makes at a time, with its threads and shared memory. */
  private enum Tile {
    LARGE("128x128x32", 128, 256, 4 * (128 + 128) * 32 * 2),
    SMALL("64x64x32", 64, 128, 4 * (64 + 64) * 32 * 2);

    private final String entry;
    private final int edge;
    private final int threads;
    private final int sharedBytes;

    Tile(String entry, int edge, int threads, int sharedBytes) {
      this.entry = entry;
      this.edge = edge;
      this.threads = threads;
      this.sharedBytes = sharedBytes;
    }

    long count(GemmCall call) {
      long down = (call.m() + edge - 1) / edge;
      long across = (call.n() + edge - 1) / edge;
      if (!call.isGrouped()) {
        return down * across;
      }
      // Ragged rows: each group may begin and end within a tile. Ragged depth: one C a group.
      return call.form() == Form.TN
          ? down * across * call.groups()
          : (down + call.groups()) * across;
    }
  }

  private static final int BLOCKS_PER_MULTIPROCESSOR = 2;

  private final KernelQueue queue;
  private final Map<Form, Map<Tile, Launch>> dense = new EnumMap<>(Form.class);
  private final Map<Form, Map<Tile, Launch>> grouped = new EnumMap<>(Form.class);
  private final Map<Form, Map<Tile, Launch>> gathered = new EnumMap<>(Form.class);

  MmaGemm(KernelQueue queue) {
    this.queue = queue;
    for (Form form : Form.values()) {
      dense.put(form, kernels("gemm_", form));
      grouped.put(form, kernels("grouped_gemm_", form));
    }
    gathered.put(Form.NT, kernels("gathered_gemm_", Form.NT));
    gathered.put(Form.TN, kernels("gathered_gemm_", Form.TN));
  }

  private Map<Tile, Launch> kernels(String stem, Form form) {
    Map<Tile, Launch> made = new EnumMap<>(Tile.class);
    String name = stem + form.entry() + (form == Form.TN ? "_f32_" : "_bf16_");
    for (Tile tile : Tile.values()) {
      made.put(tile, queue.kernel(name + tile.entry));
    }
    return made;
  }

  @Override
  public boolean fits(GemmCall call) {
    return call.isBf16() && call.isAligned();
  }

  @Override
  public void run(GemmCall call) {
    int multiprocessors = queue.device().multiprocessors();
    Tile tile = Tile.LARGE.count(call) >= multiprocessors ? Tile.LARGE : Tile.SMALL;
    Launch launch = kernels(call).get(call.form()).get(tile);
    long most = (long) BLOCKS_PER_MULTIPROCESSOR * multiprocessors;
    launch
        .grid((int) Math.min(most, tile.count(call)))
        .block(tile.threads)
        .shared(tile.sharedBytes)
        .arguments()
        .struct(call.struct());
    queue.run(launch);
  }

  private Map<Form, Map<Tile, Launch>> kernels(GemmCall call) {
    return call.isGathered() ? gathered : call.isGrouped() ? grouped : dense;
  }

  @Override
  public String description() {
    return "mma.sync kernels";
  }
}
