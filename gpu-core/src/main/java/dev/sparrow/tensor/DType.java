package dev.sparrow.tensor;

/** Element types. Offsets and lengths count elements, never bytes, unless a name says bytes. */
public enum DType {
  F64(8),
  F32(4),
  BF16(2),
  I32(4),
  /** In files alone. */
  U16(2),
  U8(1);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }
}
