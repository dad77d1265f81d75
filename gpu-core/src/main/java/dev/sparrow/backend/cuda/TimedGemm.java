package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Shape;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Dense products by cuBLASLt or by this project's kernels, whichever was faster at the first call
 * of a shape. That call is made several times by both and measured on the device, with C as it was
 * before each; it must not be in a recording.
 *
 * <p>Times vary, so that two processes may choose differently, and sum in different orders: without
 * this engine the choice follows from the shape alone, with it runs do not repeat to the bit.
 */
final class TimedGemm implements GemmEngine {
  private static final Logger LOG = LoggerFactory.getLogger(TimedGemm.class);

  /** The first one is not counted: it may load kernels. */
  private static final int ROUNDS = 6;

  private final KernelQueue queue;
  private final CublasLtGemm library;
  private final List<GemmEngine> kernels;
  private final Map<CublasLtShape, GemmEngine> chosen = new HashMap<>();

  /**
   * @param kernels this project's engines, the preferred one first
   */
  TimedGemm(KernelQueue queue, CublasLtGemm library, List<GemmEngine> kernels) {
    this.queue = queue;
    this.library = library;
    this.kernels = kernels;
  }

  @Override
  public boolean fits(GemmCall call) {
    return library.fits(call);
  }

  @Override
  public void run(GemmCall call) {
    CublasLtShape shape = CublasLtShape.of(call);
    GemmEngine engine = chosen.get(shape);
    if (engine == null) {
      engine = choose(shape, call);
      chosen.put(shape, engine);
    }
    engine.run(call);
  }

  /** Without alignment only kernels without tensor cores are left, which are not worth the time. */
  private GemmEngine choose(CublasLtShape shape, GemmCall call) {
    if (!call.isAligned()) {
      return library;
    }
    queue.staging().requireNotRecording("it times a product");
    GemmEngine own = kernels.stream().filter(kernel -> kernel.fits(call)).findFirst().orElseThrow();
    float[] millis = {Float.MAX_VALUE, Float.MAX_VALUE};
    time(call, List.of(library, own), millis);
    GemmEngine faster = millis[0] <= millis[1] ? library : own;
    LOG.debug(
        "{}: {} {} ms, {} {} ms, chosen {}",
        shape,
        library.description(),
        millis[0],
        own.description(),
        millis[1],
        faster.description());
    return faster;
  }

  /** Fills in each engine's least time; C is as before afterwards. */
  private void time(GemmCall call, List<GemmEngine> engines, float[] millis) {
    long c = DeviceStorage.address(call.c());
    long bytes = call.c().bytes();
    long saved = queue.memory().allocate(bytes, "a product's result while it is timed", Shape.of());
    try (Event start = Event.timing();
        Event end = Event.timing()) {
      queue.stream().copy(c, saved, bytes);
      for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < engines.size(); i++) {
          queue.stream().record(start);
          engines.get(i).run(call);
          queue.stream().record(end);
          queue.stream().copy(saved, c, bytes);
          end.synchronizeSync();
          if (round > 0) {
            millis[i] = Math.min(millis[i], end.millisSince(start));
          }
        }
      }
    } finally {
      queue.memory().free(saved);
    }
  }

  @Override
  public String description() {
    return library.description() + " where it is faster";
  }
}
