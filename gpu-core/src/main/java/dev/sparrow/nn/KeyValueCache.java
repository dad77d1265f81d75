package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Keys and values of the tokens that generation has seen, per block, for equally long sequences.
 * Owns its memory; one thread uses it.
 */
public final class KeyValueCache implements AutoCloseable {
  private final Backend backend;
  private final int sequences;
  private final int capacity;
  private final List<Tensor> keys = new ArrayList<>(); // (sequences, capacity, width) per block
  private final List<Tensor> values = new ArrayList<>(); // (sequences, capacity, width) per block
  private int length;

  /**
   * @param capacity tokens of a sequence that fit
   */
  public KeyValueCache(Backend backend, int layers, int sequences, int capacity, int width) {
    this.backend = backend;
    this.sequences = sequences;
    this.capacity = capacity;
    Shape shape = Shape.of(sequences, capacity, width);
    DType type = backend.computeType();
    for (int i = 0; i < layers; i++) {
      keys.add(backend.allocate(type, shape));
      values.add(backend.allocate(type, shape));
    }
  }

  public int sequences() {
    return sequences;
  }

  public int capacity() {
    return capacity;
  }

  /** Tokens of each sequence held now. */
  public int length() {
    return length;
  }

  /** (sequences, capacity, width) of block {@code layer}. */
  public Tensor keys(int layer) {
    return keys.get(layer);
  }

  /** (sequences, capacity, width) of block {@code layer}. */
  public Tensor values(int layer) {
    return values.get(layer);
  }

  /** Throws unless {@code tokens} more tokens of each sequence fit. */
  public void requireRoom(int tokens) {
    if (tokens < 1 || tokens > capacity - length) {
      throw new IllegalArgumentException(
          "key-value cache: expected 1 to %d more tokens (%d of %d are held), got %d; clear it and feed the last tokens again"
              .formatted(capacity - length, length, capacity, tokens));
    }
  }

  /** Called by the model when all blocks have appended {@code tokens} tokens. */
  public void advance(int tokens) {
    length += tokens;
  }

  /** Forgets all tokens; the memory stays. */
  public void clear() {
    length = 0;
  }

  @Override
  public void close() {
    keys.forEach(backend::free);
    values.forEach(backend::free);
    keys.clear();
    values.clear();
  }
}
