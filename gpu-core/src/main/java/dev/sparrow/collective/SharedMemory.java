package dev.sparrow.collective;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.Set;

/**
 * Memory that two neighbours on one machine share: a page of counters, then {@link #SLOTS} slots
 * that are filled and taken in turn. A slot is small enough to stay in second-level cache between
 * the sender's stores and the receiver's loads.
 *
 * <p>The file lives in memory, is readable by its owner alone, and has its full size before it is
 * mapped: touching a hole in a full file system would kill the process.
 */
final class SharedMemory {
  static final int SLOTS = 8;
  static final int SLOT_BYTES = 256 << 10;

  /** Linux's file system in memory. */
  static final Path DIRECTORY = Path.of("/dev/shm");

  private static final int HEADER_BYTES = 4096;
  private static final int FILE_BYTES = HEADER_BYTES + SLOTS * SLOT_BYTES;

  /** Counters lie on cache lines of their own. */
  private static final int TAKEN_AT = 128;

  private static final int WAKE_AT = 256;
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final FileAttribute<Set<PosixFilePermission>> OWNER_ONLY =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

  private final MappedByteBuffer memory;

  private SharedMemory(MappedByteBuffer memory) {
    this.memory = memory;
  }

  /** Makes the file; it must not exist yet. */
  static SharedMemory create(Path file, byte[] token) throws IOException {
    Set<OpenOption> options =
        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
    try (FileChannel channel = FileChannel.open(file, options, OWNER_ONLY)) {
      ByteBuffer zeros = ByteBuffer.allocateDirect(FILE_BYTES);
      while (zeros.hasRemaining()) {
        channel.write(zeros);
      }
      MappedByteBuffer memory = channel.map(MapMode.READ_WRITE, 0, FILE_BYTES);
      memory.put(0, token);
      return new SharedMemory(memory);
    } catch (IOException failed) {
      Files.deleteIfExists(file);
      throw failed;
    }
  }

  /** Opens the file of a neighbour; throws where it is not the one that holds the token. */
  static SharedMemory open(Path file, byte[] token) throws IOException {
    Set<OpenOption> options =
        Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
    try (FileChannel channel = FileChannel.open(file, options)) {
      if (channel.size() != FILE_BYTES) {
        throw new IOException("expected " + FILE_BYTES + " bytes, got " + channel.size());
      }
      MappedByteBuffer memory = channel.map(MapMode.READ_WRITE, 0, FILE_BYTES);
      byte[] found = new byte[token.length];
      memory.get(0, found);
      if (!MessageDigest.isEqual(token, found)) {
        throw new IOException("it is another file of that name");
      }
      return new SharedMemory(memory);
    }
  }

  /** Bytes [0, bytes) of the slot that the {@code number}th message goes through. */
  ByteBuffer slot(long number, int bytes) {
    int at = HEADER_BYTES + (int) (number % SLOTS) * SLOT_BYTES;
    return memory.slice(at, bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Messages that the receiver has taken out, its slots free again. */
  long taken() {
    return (long) LONG.getVolatile(memory, TAKEN_AT);
  }

  void setTaken(long count) {
    LONG.setVolatile(memory, TAKEN_AT, count);
  }

  /** The count of taken messages at which the sender wants to be woken; 0 for never. */
  long wakeAt() {
    return (long) LONG.getVolatile(memory, WAKE_AT);
  }

  void setWakeAt(long count) {
    LONG.setVolatile(memory, WAKE_AT, count);
  }

  /** Withdraws the wish; false where the other side has done so. */
  boolean clearWakeAt(long count) {
    return LONG.compareAndSet(memory, WAKE_AT, count, 0L);
  }
}
