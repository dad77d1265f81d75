package dev.sparrow.collective;

/**
 * Frames of an open connection: 4 bytes of type, 4 bytes of payload length, little-endian, then at
 * least one byte of payload (ciphertext and tag under encryption).
 */
enum FrameType {
  /** A {@link CallHeader}; to the right only. */
  CALL,
  /** Elements of the current call; to the right only. */
  DATA,
  /** UTF-8 text: the ring is broken and this is why. */
  ABORT,
  /** An orderly close: the sender has finished all its calls. */
  GOODBYE;

  static final int HEADER_BYTES = 8;

  /** Most bytes of a payload of this type. */
  int maxPayload() {
    return this == DATA ? RingSettings.MAX_CHUNK_BYTES : 4096;
  }
}
