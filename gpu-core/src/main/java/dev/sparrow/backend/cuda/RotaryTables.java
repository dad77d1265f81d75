package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Shape;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;

/**
 * Cosines and sines of rotary positions in device memory, computed in double on the host: angle
 * {@code p·theta^(-2j/D)} for position p and pair j. A table is made at its first use, with room
 * for more positions than asked for, and kept.
 */
final class RotaryTables implements AutoCloseable {
  private static final int LEAST_POSITIONS = 256;

  private record Key(double theta, int headWidth) {}

  /**
   * Device addresses of fp32 (positions, headWidth/2).
   *
   * @param positions rows of each
   */
  record Table(long cosines, long sines, int positions) {}

  private final KernelQueue queue;
  private final Map<Key, Table> tables = new HashMap<>();

  RotaryTables(KernelQueue queue) {
    this.queue = queue;
  }

  /** The tables for positions below {@code positions}. */
  Table of(double theta, int headWidth, int positions) {
    Key key = new Key(theta, headWidth);
    Table held = tables.get(key);
    if (held == null || held.positions < positions) {
      queue.moved();
      if (held != null) {
        free(held);
      }
      held = make(key, Math.max(LEAST_POSITIONS, Integer.highestOneBit(positions - 1) * 2));
      tables.put(key, held);
    }
    return held;
  }

  private Table make(Key key, int positions) {
    int half = key.headWidth / 2;
    long bytes = (long) positions * half * Float.BYTES;
    Shape shape = Shape.of(positions, half);
    long cosines = queue.memory().allocate(bytes, "rotary cosines", shape);
    long sines = queue.memory().allocate(bytes, "rotary sines", shape);
    upload(key, positions, false, cosines);
    upload(key, positions, true, sines);
    return new Table(cosines, sines, positions);
  }

  private void upload(Key key, int positions, boolean sine, long destination) {
    int half = key.headWidth / 2;
    queue
        .staging()
        .upload(
            (out, first, count) -> put(key, sine, out, first, count),
            positions * half,
            Float.BYTES,
            destination);
  }

  private static void put(Key key, boolean sine, ByteBuffer out, int first, int count) {
    int half = key.headWidth / 2;
    for (int i = first; i < first + count; i++) {
      double angle = i / half * StrictMath.pow(key.theta, -2.0 * (i % half) / key.headWidth);
      out.putFloat((float) (sine ? StrictMath.sin(angle) : StrictMath.cos(angle)));
    }
  }

  private void free(Table table) {
    queue.memory().free(table.cosines);
    queue.memory().free(table.sines);
  }

  @Override
  public void close() {
    tables.values().forEach(this::free);
    tables.clear();
  }
}
