package dev.sparrow.spark.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.SeekableByteChannel;
import org.apache.hadoop.fs.FSDataInputStream;

/** A Hadoop stream as the seekable channel that Arrow reads. One thread uses it. */
final class HadoopByteChannel implements SeekableByteChannel {
  private static final int CHUNK_BYTES = 64 << 10;

  private final FSDataInputStream in;
  private final long size;
  private final byte[] chunk = new byte[CHUNK_BYTES];
  private boolean open = true;

  HadoopByteChannel(FSDataInputStream in, long size) {
    this.in = in;
    this.size = size;
  }

  /** Through a heap chunk, as not every file system can read into direct buffers. */
  @Override
  public int read(ByteBuffer dst) throws IOException {
    int read = in.read(chunk, 0, Math.min(chunk.length, dst.remaining()));
    if (read > 0) {
      dst.put(chunk, 0, read);
    }
    return read;
  }

  @Override
  public long position() throws IOException {
    return in.getPos();
  }

  @Override
  public SeekableByteChannel position(long position) throws IOException {
    in.seek(position);
    return this;
  }

  @Override
  public long size() {
    return size;
  }

  @Override
  public int write(ByteBuffer src) {
    throw new NonWritableChannelException();
  }

  @Override
  public SeekableByteChannel truncate(long length) {
    throw new NonWritableChannelException();
  }

  @Override
  public boolean isOpen() {
    return open;
  }

  @Override
  public void close() throws IOException {
    open = false;
    in.close();
  }
}
