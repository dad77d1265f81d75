package dev.sparrow.bench;

import dev.sparrow.data.BatchSource;

/** Batches that are read from somewhere while a model trains on them. */
@FunctionalInterface
public interface BatchFeed {
  /**
   * Endless batches of {@code lm.batch()} sequences; the caller closes.
   *
   * @param lm ids are below its vocabulary
   */
  BatchSource open(LmCase lm);
}
