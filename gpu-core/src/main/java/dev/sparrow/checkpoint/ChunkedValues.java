package dev.sparrow.checkpoint;

import dev.sparrow.tensor.Bfloat16;
import dev.sparrow.tensor.DType;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Array windows as little-endian bytes on a stream, a chunk at a time. One thread uses it. */
final class ChunkedValues {
  private static final int CHUNK_BYTES = 1 << 20;

  private final ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  void write(HostTensor tensor, OutputStream out) throws IOException {
    int width = tensor.dtype().bytes();
    long size = tensor.shape().size();
    for (long done = 0; done < size; ) {
      int count = (int) Math.min(CHUNK_BYTES / width, size - done);
      put(tensor, tensor.offset() + (int) done, count);
      out.write(chunk.array(), 0, count * width);
      done += count;
    }
  }

  private void put(HostTensor tensor, int from, int count) {
    chunk.clear();
    switch (tensor.dtype()) {
      case F32 -> chunk.asFloatBuffer().put((float[]) tensor.array(), from, count);
      case F64 -> chunk.asDoubleBuffer().put((double[]) tensor.array(), from, count);
      case I32 -> chunk.asIntBuffer().put((int[]) tensor.array(), from, count);
      case BF16 -> putBfloat16((float[]) tensor.array(), from, count);
      case U16, U8 -> putUnsigned(tensor, from, count);
    }
  }

  private void putBfloat16(float[] values, int from, int count) {
    for (int i = from; i < from + count; i++) {
      chunk.putShort(Bfloat16.bits(values[i]));
    }
  }

  private void putUnsigned(HostTensor tensor, int from, int count) {
    int[] values = (int[]) tensor.array();
    int bits = Byte.SIZE * tensor.dtype().bytes();
    for (int i = from; i < from + count; i++) {
      if (values[i] >>> bits != 0) {
        throw new IllegalArgumentException(
            "%s: expected values of 0 to %d as %s, got %d"
                .formatted(tensor.name(), (1 << bits) - 1, tensor.dtype(), values[i]));
      }
      if (tensor.dtype() == DType.U8) {
        chunk.put((byte) values[i]);
      } else {
        chunk.putShort((short) values[i]);
      }
    }
  }

  void read(InputStream in, HostTensor tensor) throws IOException {
    int width = tensor.dtype().bytes();
    long size = tensor.shape().size();
    for (long done = 0; done < size; ) {
      int count = (int) Math.min(CHUNK_BYTES / width, size - done);
      fill(in, count * width, tensor.name());
      take(tensor, tensor.offset() + (int) done, count);
      done += count;
    }
  }

  private void take(HostTensor tensor, int to, int count) {
    switch (tensor.dtype()) {
      case F32 -> chunk.asFloatBuffer().get((float[]) tensor.array(), to, count);
      case F64 -> chunk.asDoubleBuffer().get((double[]) tensor.array(), to, count);
      case I32 -> chunk.asIntBuffer().get((int[]) tensor.array(), to, count);
      case BF16 -> takeBfloat16((float[]) tensor.array(), to, count);
      case U16, U8 -> takeUnsigned(tensor, to, count);
    }
  }

  private void takeBfloat16(float[] values, int to, int count) {
    for (int i = to; i < to + count; i++) {
      values[i] = Bfloat16.value(chunk.getShort());
    }
  }

  private void takeUnsigned(HostTensor tensor, int to, int count) {
    int[] values = (int[]) tensor.array();
    for (int i = to; i < to + count; i++) {
      values[i] =
          tensor.dtype() == DType.U8
              ? Byte.toUnsignedInt(chunk.get())
              : Short.toUnsignedInt(chunk.getShort());
    }
  }

  private void fill(InputStream in, int bytes, String name) throws IOException {
    chunk.clear();
    int got = in.readNBytes(chunk.array(), 0, bytes);
    if (got < bytes) {
      throw new EOFException(name + ": expected " + bytes + " more bytes, got " + got);
    }
  }
}
