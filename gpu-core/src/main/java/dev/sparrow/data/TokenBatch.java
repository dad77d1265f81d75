package dev.sparrow.data;

import dev.sparrow.tensor.HostInts;
import java.nio.IntBuffer;
import java.util.function.IntFunction;

/**
 * Sequences of token ids.
 *
 * <p>Row b holds context + 1 token ids at {@code tokens[b·(context+1)]}; the first context are the
 * inputs, the last context the targets.
 */
public final class TokenBatch extends Batch {
  private final HostInts memory;
  private final int context;

  /** On the heap. */
  public TokenBatch(int maxSequences, int context) {
    this(maxSequences, context, HostInts::onHeap);
  }

  /**
   * @param memory gives the room for so many ids, as the backend that reads them wants it
   */
  public TokenBatch(int maxSequences, int context, IntFunction<HostInts> memory) {
    this.memory = memory.apply(Math.multiplyExact(maxSequences, context + 1));
    this.context = context;
  }

  /**
   * All rows' ids, to be read and written by index, position and limit left as they are; only the
   * first {@link #samples} rows count.
   */
  public IntBuffer tokens() {
    return memory.values();
  }

  /** Where {@link #tokens} lie, for an upload. */
  public HostInts memory() {
    return memory;
  }

  /** Input tokens of a sequence. */
  public int context() {
    return context;
  }

  @Override
  public void awaitTakenSync() {
    memory.awaitTakenSync();
  }

  @Override
  public void close() {
    memory.close();
  }
}
