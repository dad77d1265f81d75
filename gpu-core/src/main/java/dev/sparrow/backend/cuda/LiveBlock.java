package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Shape;

/**
 * A block in somebody's hands, named for messages.
 *
 * @param name whose it is, such as {@code gradients} or {@code layer3.attention.output}
 * @param askedBytes what the caller asked for
 * @param blockBytes what the size class made of it
 */
record LiveBlock(long address, String name, Shape shape, long askedBytes, long blockBytes) {
  @Override
  public String toString() {
    return name + shape + " " + Bytes.words(blockBytes);
  }
}
