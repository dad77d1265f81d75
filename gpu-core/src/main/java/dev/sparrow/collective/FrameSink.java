package dev.sparrow.collective;

import java.nio.ByteBuffer;

/** Takes the frames of one connection, on the event loop. Buffers are valid during the call. */
interface FrameSink {
  /** False keeps this frame and all behind it until {@link FrameReader#drain}. */
  boolean ready(FrameType type);

  /** Bytes of an element of the current call. */
  int unit();

  /** Whole elements. */
  void data(ByteBuffer elements);

  /** Any frame but data. */
  void control(FrameType type, ByteBuffer payload);

  /** The connection takes more after it was full. */
  void writable();

  /** The connection ended; {@code cause} is null where the peer closed it. Called once. */
  void lost(Throwable cause);
}
