package dev.sparrow.bench;

import dev.sparrow.data.BatchSource;
import dev.sparrow.tensor.HostInts;
import java.util.function.IntFunction;

/** Batches that are read from somewhere while a model trains on them. */
@FunctionalInterface
public interface BatchFeed {
  /**
   * Endless batches of {@code lm.batch()} sequences; the caller closes.
   *
   * @param lm ids are below its vocabulary
   * @param memory of the batches, see {@link dev.sparrow.data.TokenBatch}
   */
  BatchSource open(LmCase lm, IntFunction<HostInts> memory);
}
