package dev.sparrow.collective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sparrow.backend.cpu.HeapStorage;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SharedMemoryTest {
  private static final int BYTES = 4096;

  private SharedOutlet outlet;

  @BeforeEach
  void create() {
    assumeTrue(Files.isWritable(SharedMemory.DIRECTORY), "this platform has no /dev/shm");
    outlet = SharedOutlet.create();
    assertNotNull(outlet);
  }

  @AfterEach
  void remove() {
    if (outlet != null) {
      outlet.removeFile();
    }
  }

  @Test
  void messagesArriveInOrderAndTheSenderIsWokenOnceWhenHalfTheSlotsAreFree() {
    SharedInlet inlet = SharedInlet.open(ByteBuffer.wrap(outlet.offer()));
    for (int round = 0; round < 3; round++) {
      for (int slot = 0; slot < SharedMemory.SLOTS; slot++) {
        outlet.next(BYTES).putInt(BYTES - 4, 100 * round + slot);
      }
      assertNull(outlet.next(BYTES), "all slots are full");
      for (int slot = 0; slot < SharedMemory.SLOTS; slot++) {
        assertEquals(100 * round + slot, inlet.next(BYTES).getInt(BYTES - 4));
        assertEquals(slot == SharedMemory.SLOTS / 2 - 1, inlet.release(), "slot " + slot);
      }
      assertNull(outlet.next(BYTES), "the wake-up is still on its way");
      outlet.woken();
    }
    assertEquals(3L * SharedMemory.SLOTS * BYTES, outlet.sentBytes());
  }

  @Test
  void aSenderThatNeverWaitsIsNeverWoken() {
    SharedInlet inlet = SharedInlet.open(ByteBuffer.wrap(outlet.offer()));
    for (int message = 0; message < 5 * SharedMemory.SLOTS; message++) {
      assertNotNull(outlet.next(SharedMemory.SLOT_BYTES));
      inlet.next(SharedMemory.SLOT_BYTES);
      assertFalse(inlet.release());
    }
    assertThrows(CollectiveException.class, outlet::woken);
  }

  @Test
  void onlyTheOwnerReadsTheFileAndItIsGoneOnceAnswered() throws Exception {
    Path file = file(outlet);
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    outlet.answer(true);
    assertTrue(outlet.isOpen());
    assertFalse(Files.exists(file));
  }

  @Test
  void aFileWithAnotherTokenOrNoFileIsDeclined() {
    byte[] offer = outlet.offer();
    offer[0]++;
    assertNull(SharedInlet.open(ByteBuffer.wrap(offer)));
    offer[0]--;
    outlet.removeFile();
    assertNull(SharedInlet.open(ByteBuffer.wrap(offer)));
  }

  @Test
  void aNameThatLeavesTheDirectoryAndALengthBeyondTheSlotAreRefused() {
    byte[] name = "../../etc/passwd".getBytes(StandardCharsets.US_ASCII);
    ByteBuffer offer = ByteBuffer.allocate(SharedOutlet.TOKEN_BYTES + name.length);
    offer.put(SharedOutlet.TOKEN_BYTES, name);
    assertThrows(CollectiveException.class, () -> SharedInlet.open(offer));
    SharedInlet inlet = SharedInlet.open(ByteBuffer.wrap(outlet.offer()));
    for (int bad : new int[] {-1, 0, SharedMemory.SLOT_BYTES + 1}) {
      assertThrows(CollectiveException.class, () -> inlet.next(bad));
    }
  }

  @Test
  void ranksThatShareAndRanksThatDoNotSumToTheSameBits() throws Exception {
    RingSettings sockets = RingSettings.defaults().withShareMemory(false);
    RingSettings shared = RingSettings.defaults();
    List<List<RingSettings>> rings =
        List.of(
            List.of(sockets, sockets, sockets),
            List.of(shared, sockets, shared),
            List.of(shared, shared, shared));
    int length = 2_000_003;
    float[] first = null;
    for (List<RingSettings> settings : rings) {
      try (TestRing ring = new TestRing(settings)) {
        List<float[]> sums =
            ring.each(
                rank -> {
                  float[] values = new float[length];
                  for (int i = 0; i < length; i++) {
                    values[i] = (float) Math.sin(i + 0.1 * rank.rank());
                  }
                  rank.allReduce(HeapStorage.wrap(values, length));
                  return values;
                });
        first = first == null ? sums.get(0) : first;
        for (float[] sum : sums) {
          assertArrayEquals(first, sum);
        }
      }
    }
  }

  private static Path file(SharedOutlet outlet) {
    byte[] offer = outlet.offer();
    int token = SharedOutlet.TOKEN_BYTES;
    String name = new String(offer, token, offer.length - token, StandardCharsets.US_ASCII);
    return SharedMemory.DIRECTORY.resolve(name);
  }
}
