package dev.sparrow.train;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.Collective;
import dev.sparrow.nn.Buffer;
import java.util.List;

/**
 * Gives all ranks the mean of what each has gathered in its averaged buffers, before it is read:
 * validation and checkpoints then tell of all ranks' samples. Running statistics follow the
 * batches' linearly, so how often this is done changes them by roundings alone.
 */
final class BufferAverage {
  private BufferAverage() {}

  /** Called by all ranks together. */
  static void take(Backend backend, List<Buffer> buffers, Collective collective) {
    if (collective.size() == 1) {
      return;
    }
    for (Buffer buffer : buffers) {
      if (buffer.isAveraged()) {
        collective.allReduce(buffer.value());
        backend.elementwise().scale(1.0 / collective.size(), buffer.value(), buffer.value());
      }
    }
  }
}
