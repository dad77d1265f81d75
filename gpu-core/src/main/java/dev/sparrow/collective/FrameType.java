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
  GOODBYE,
  /** Token and name of shared memory, {@link SharedOutlet#offer}; to the right only. */
  OFFER,
  /** One byte, 1 where the receiver of an offer has opened the memory; to the left only. */
  ANSWER,
  /** Elements of the current call, in shared memory: 4 bytes of their length; right only. */
  SHARED,
  /** One byte: slots of shared memory are free again; to the left only. */
  TAKEN;

  static final int HEADER_BYTES = 8;

  /** Most bytes of a payload of this type. */
  int maxPayload() {
    return this == DATA ? RingSettings.MAX_CHUNK_BYTES : 4096;
  }
}
