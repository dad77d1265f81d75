package dev.sparrow.checkpoint;

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
      int from = tensor.offset() + (int) done;
      chunk.clear();
      switch (tensor.dtype()) {
        case F32 -> chunk.asFloatBuffer().put((float[]) tensor.array(), from, count);
        case F64 -> chunk.asDoubleBuffer().put((double[]) tensor.array(), from, count);
        default -> chunk.asIntBuffer().put((int[]) tensor.array(), from, count);
      }
      out.write(chunk.array(), 0, count * width);
      done += count;
    }
  }

  void read(InputStream in, HostTensor tensor) throws IOException {
    int width = tensor.dtype().bytes();
    long size = tensor.shape().size();
    for (long done = 0; done < size; ) {
      int count = (int) Math.min(CHUNK_BYTES / width, size - done);
      fill(in, count * width, tensor.name());
      int to = tensor.offset() + (int) done;
      switch (tensor.dtype()) {
        case F32 -> chunk.asFloatBuffer().get((float[]) tensor.array(), to, count);
        case F64 -> chunk.asDoubleBuffer().get((double[]) tensor.array(), to, count);
        default -> chunk.asIntBuffer().get((int[]) tensor.array(), to, count);
      }
      done += count;
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
