package dev.sparrow.collective;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The sending end of shared memory: a rank copies its elements into a slot and tells the neighbour
 * through their connection, which keeps the order among all frames and says when one side is gone.
 * Event loop only.
 *
 * <p>The file is removed as soon as the neighbour has answered; the memory lives on in both.
 */
final class SharedOutlet {
  /** Below this a frame carries its elements itself. */
  static final int MIN_BYTES = 1024;

  static final String PREFIX = "sparrow-ring-";
  static final int TOKEN_BYTES = 32;

  private static final Logger LOG = LoggerFactory.getLogger(SharedOutlet.class);
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Path file;
  private final byte[] token;
  private final SharedMemory memory;
  private boolean answered;
  private boolean open;
  private boolean waits;
  private long filled;
  private volatile long sentBytes;

  private SharedOutlet(Path file, byte[] token, SharedMemory memory) {
    this.file = file;
    this.token = token;
    this.memory = memory;
  }

  /** Null where this machine has no memory to share; the sockets carry all then. */
  static SharedOutlet create() {
    byte[] token = new byte[TOKEN_BYTES];
    byte[] name = new byte[16];
    RANDOM.nextBytes(token);
    RANDOM.nextBytes(name);
    Path file = SharedMemory.DIRECTORY.resolve(PREFIX + HexFormat.of().formatHex(name));
    try {
      return new SharedOutlet(file, token, SharedMemory.create(file, token));
    } catch (IOException | UnsupportedOperationException none) {
      LOG.info("neighbours on this machine use sockets; no shared memory: {}", none.toString());
      return null;
    }
  }

  /** Token and file name, for {@link SharedInlet#open}. */
  byte[] offer() {
    byte[] name = file.getFileName().toString().getBytes(StandardCharsets.US_ASCII);
    return ByteBuffer.allocate(TOKEN_BYTES + name.length).put(token).put(name).array();
  }

  /** The neighbour has opened the memory, or cannot. */
  void answer(boolean accepted) {
    answered = true;
    open = accepted;
    removeFile();
  }

  boolean answered() {
    return answered;
  }

  /** From the neighbour's consent on. */
  boolean isOpen() {
    return open;
  }

  /**
   * The next slot, of {@code bytes} bytes; null where all are full. The neighbour then sends one
   * {@link FrameType#TAKEN} when half of them are free, and until it is here nothing goes out: a
   * rank that has finished its calls has none on its way and may close at once.
   */
  ByteBuffer next(int bytes) {
    waits = waits || filled - memory.taken() >= SharedMemory.SLOTS && !freed();
    if (waits) {
      return null;
    }
    sentBytes += bytes;
    return memory.slot(filled++, bytes);
  }

  /** Asks for the wake-up, unless slots became free in between and the wish is still its own. */
  private boolean freed() {
    long wakeAt = filled - SharedMemory.SLOTS / 2;
    memory.setWakeAt(wakeAt);
    return memory.taken() >= wakeAt && memory.clearWakeAt(wakeAt);
  }

  /** The neighbour has sent {@link FrameType#TAKEN}. */
  void woken() {
    if (!waits) {
      throw new CollectiveException("took from shared memory that was not full");
    }
    waits = false;
  }

  /** Bytes of elements so far. Any thread. */
  long sentBytes() {
    return sentBytes;
  }

  /** Leaves no file behind, whether or not the neighbour has answered. */
  void removeFile() {
    try {
      Files.deleteIfExists(file);
    } catch (IOException failed) {
      LOG.warn("cannot remove {}: {}; remove it by hand", file, failed.toString());
    }
  }
}
