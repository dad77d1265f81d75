package dev.sparrow.collective;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The receiving end of a {@link SharedOutlet}. Event loop only. */
final class SharedInlet {
  private static final Logger LOG = LoggerFactory.getLogger(SharedInlet.class);
  private static final Pattern NAME = Pattern.compile(SharedOutlet.PREFIX + "[0-9a-f]{32}");

  private final SharedMemory memory;
  private long taken;

  private SharedInlet(SharedMemory memory) {
    this.memory = memory;
  }

  /** Null where the neighbour's memory cannot be reached, as from another container. */
  static SharedInlet open(ByteBuffer offer) {
    byte[] token = new byte[Math.min(offer.remaining(), SharedOutlet.TOKEN_BYTES)];
    offer.get(token);
    String name = StandardCharsets.US_ASCII.decode(offer).toString();
    if (!NAME.matcher(name).matches()) {
      throw new CollectiveException("offered shared memory under a name that is none");
    }
    try {
      return new SharedInlet(SharedMemory.open(SharedMemory.DIRECTORY.resolve(name), token));
    } catch (IOException unreachable) {
      LOG.info("a neighbour on this machine uses sockets: {}", unreachable.toString());
      return null;
    }
  }

  /** The elements of the next message; valid until {@link #release}. */
  ByteBuffer next(int bytes) {
    if (bytes < 1 || bytes > SharedMemory.SLOT_BYTES) {
      throw new CollectiveException(
          "expected 1 to " + SharedMemory.SLOT_BYTES + " bytes of shared memory, got " + bytes);
    }
    return memory.slot(taken, bytes);
  }

  /** Frees the slot; true where the sender waits for that and must be told. */
  boolean release() {
    memory.setTaken(++taken);
    long wakeAt = memory.wakeAt();
    return wakeAt > 0 && taken >= wakeAt && memory.clearWakeAt(wakeAt);
  }
}
