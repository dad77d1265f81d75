package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Pinned memory between Java arrays and the device, so that copies are asynchronous and the arrays
 * free at once. A ring of chunks: one is filled while the stream still reads the others, and a
 * chunk is filled again once the stream has passed the copies out of it.
 */
final class Staging implements AutoCloseable {
  static final int CHUNK_BYTES = 1 << 20;
  private static final int CHUNKS = 4;
  private static final int ALIGNMENT = 256;

  private final Stream stream;
  private final PinnedBuffer[] chunks = new PinnedBuffer[CHUNKS];
  private final ByteBuffer[] views = new ByteBuffer[CHUNKS];
  private final Event[] passed = new Event[CHUNKS];
  private final boolean[] busy = new boolean[CHUNKS];
  private int current;
  private int used;
  private boolean recording;

  /** Writes elements [first, first + count) of the host's values from the buffer's position on. */
  interface Filler {
    void fill(ByteBuffer out, int first, int count);
  }

  /** Reads elements [first, first + count) from the buffer's position on. */
  interface Taker {
    void take(ByteBuffer in, int first, int count);
  }

  Staging(Stream stream) {
    this.stream = stream;
    for (int i = 0; i < CHUNKS; i++) {
      chunks[i] = PinnedBuffer.allocate(CHUNK_BYTES);
      views[i] = chunks[i].buffer().order(ByteOrder.nativeOrder());
      passed[i] = Event.ordering();
    }
  }

  /** See {@link KernelQueue#recording}. */
  void recording(boolean on) {
    recording = on;
  }

  /**
   * Throws while launches are recorded.
   *
   * @param what would go wrong
   */
  void requireNotRecording(String what) {
    if (recording) {
      throw new IllegalStateException(
          "recorded work: expected launches alone, but "
              + what
              + "; it must be the same work as in the run before");
    }
  }

  /**
   * Queues a copy of {@code count} elements to device memory; the host's values are taken at once.
   */
  void upload(Filler values, int count, int elementBytes, long destination) {
    requireNotRecording("it uploads");
    int most = CHUNK_BYTES / elementBytes;
    for (int first = 0; first < count; first += most) {
      int part = Math.min(most, count - first);
      int at = reserve(part * elementBytes);
      values.fill(views[current].position(at), first, part);
      stream.upload(
          chunks[current],
          at,
          destination + (long) first * elementBytes,
          (long) part * elementBytes);
    }
  }

  /** Copies {@code count} elements from device memory, after all that was queued before. */
  void downloadSync(long source, int count, int elementBytes, Taker values) {
    requireNotRecording("it waits for values");
    int most = CHUNK_BYTES / elementBytes;
    for (int first = 0; first < count; first += most) {
      int part = Math.min(most, count - first);
      int at = reserve(part * elementBytes);
      stream.download(
          source + (long) first * elementBytes, chunks[current], at, (long) part * elementBytes);
      stream.synchronizeSync();
      values.take(views[current].position(at), first, part);
    }
  }

  /**
   * Queues a copy of a float tensor's values, converted to its type; the array is taken at once.
   */
  void upload(float[] host, int hostOffset, Tensor destination) {
    DType type = Doors.requireFloats("upload", destination);
    upload(
        (out, first, count) -> HostNumbers.put(type, host, hostOffset + first, count, out),
        Math.toIntExact(destination.size()),
        type.bytes(),
        DeviceStorage.address(destination));
  }

  /** Copies a float tensor's values, after all that was queued before. */
  void downloadSync(Tensor source, float[] host, int hostOffset) {
    DType type = Doors.requireFloats("download", source);
    downloadSync(
        DeviceStorage.address(source),
        Math.toIntExact(source.size()),
        type.bytes(),
        (in, first, count) -> HostNumbers.take(type, in, host, hostOffset + first, count));
  }

  /** Room in the current chunk, or else in the next one. */
  private int reserve(int bytes) {
    if (used + bytes > CHUNK_BYTES) {
      stream.record(passed[current]);
      busy[current] = true;
      current = (current + 1) % CHUNKS;
      used = 0;
      if (busy[current]) {
        passed[current].synchronizeSync();
        busy[current] = false;
      }
    }
    int at = used;
    used = (used + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
  }

  @Override
  public void close() {
    for (int i = 0; i < CHUNKS; i++) {
      passed[i].close();
      chunks[i].close();
    }
  }
}
