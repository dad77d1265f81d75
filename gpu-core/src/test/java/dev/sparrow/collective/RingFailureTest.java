package dev.sparrow.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cpu.HeapStorage;
import io.netty.util.internal.PlatformDependent;
import java.util.List;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class RingFailureTest {
  private static final RingSettings SETTINGS = RingSettings.defaults().withChunkBytes(1024);
  private static final RingSettings SOCKETS = SETTINGS.withShareMemory(false);

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4})
  void differentSizesAreReportedOnAllRanks(int size) throws Exception {
    try (TestRing ring = new TestRing(size, SETTINGS)) {
      List<Throwable> failures =
          ring.failures(
              rank -> {
                int length = rank.rank() == 1 ? 5001 : 5000;
                rank.allReduce(HeapStorage.wrap(new float[length], length));
                return null;
              });
      for (Throwable failure : failures) {
        assertNotNull(failure);
        assertTrue(failure.getMessage().contains("out of step"), failure.getMessage());
        assertTrue(failure.getMessage().contains("5001 F32"), failure.getMessage());
      }
    }
  }

  @Test
  void differentOperationsTypesAndRootsAreOutOfStep() throws Exception {
    assertOutOfStep(ring -> ring.barrier(), ring -> ring.allReduce(new double[1]));
    assertOutOfStep(
        ring -> ring.allReduce(HeapStorage.wrap(new float[3], 3)),
        ring -> ring.allReduce(HeapStorage.wrap(new int[3], 3)));
    assertOutOfStep(
        ring -> ring.broadcast(HeapStorage.wrap(new int[3], 3), 0),
        ring -> ring.broadcast(HeapStorage.wrap(new int[3], 3), 1));
  }

  private interface Call {
    void on(Collective ring);
  }

  private static void assertOutOfStep(Call first, Call second) throws Exception {
    try (TestRing ring = new TestRing(2, SETTINGS)) {
      List<Throwable> failures =
          ring.failures(
              rank -> {
                (rank.rank() == 0 ? first : second).on(rank);
                return null;
              });
      for (Throwable failure : failures) {
        assertTrue(failure.getMessage().contains("out of step"), failure.getMessage());
      }
    }
  }

  @Test
  void aBrokenRingStaysBrokenAndSaysWhyAgain() throws Exception {
    try (TestRing ring = new TestRing(2, SETTINGS)) {
      ring.failures(
          rank -> {
            rank.allReduce(new double[1 + rank.rank()]);
            return null;
          });
      for (Throwable failure : ring.failures(RingFailureTest::barrier)) {
        assertTrue(failure.getMessage().contains("out of step"), failure.getMessage());
      }
    }
  }

  @Test
  void closeFromAnotherThreadReleasesAWaitingCallAndTellsThePeers() throws Exception {
    try (TestRing ring = new TestRing(3, SETTINGS)) {
      Future<?> closed = ring.start(() -> barrier(ring.ranks.get(0)));
      Future<?> told = ring.start(() -> barrier(ring.ranks.get(1)));
      ring.ranks.get(0).close();
      String own = thrownBy(closed).getMessage();
      assertTrue(own.contains("closed the ring"), own);
      String peer = thrownBy(told).getMessage();
      assertTrue(peer.contains("rank 0") && peer.contains("closed the ring"), peer);
    }
  }

  @Test
  void aCallAfterClosePointsToTheClose() throws Exception {
    try (TestRing ring = new TestRing(2, SETTINGS)) {
      Collective own = ring.ranks.get(0);
      own.close();
      own.close();
      String why = assertThrows(CollectiveException.class, own::barrier).getMessage();
      assertTrue(why.contains("closed the ring"), why);
      CollectiveException other =
          assertThrows(CollectiveException.class, () -> barrier(ring.ranks.get(1)));
      assertTrue(other.getMessage().contains("rank 0"), other.getMessage());
    }
  }

  @Test
  void anInterruptEndsTheCallAndTellsThePeers() throws Exception {
    try (TestRing ring = new TestRing(2, SETTINGS)) {
      Thread.currentThread().interrupt();
      assertThrows(CollectiveException.class, () -> barrier(ring.ranks.get(0)));
      assertTrue(Thread.interrupted(), "the interrupt must stay visible");
      String told =
          assertThrows(CollectiveException.class, () -> barrier(ring.ranks.get(1))).getMessage();
      assertTrue(told.contains("interrupted"), told);
    }
  }

  @Test
  void aSilentPeerFailsTheCallAfterTheLimit() throws Exception {
    try (TestRing ring = new TestRing(2, SETTINGS.withInactivityMillis(200))) {
      String why =
          assertThrows(CollectiveException.class, () -> barrier(ring.ranks.get(0))).getMessage();
      assertTrue(why.contains("rank 1") && why.contains("nothing for"), why);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aRankThatFinishesFirstMayCloseWhileOthersStillReceive(boolean share) throws Exception {
    int length = 300_000;
    for (int round = 0; round < 20; round++) {
      try (TestRing ring = new TestRing(3, share ? SETTINGS : SOCKETS)) {
        List<Throwable> failures =
            ring.failures(
                rank -> {
                  rank.allReduce(HeapStorage.wrap(new float[length], length));
                  rank.close();
                  return null;
                });
        assertEquals(java.util.Arrays.asList(null, null, null), failures);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void noBufferIsLeftAfterWorkAndAfterFailure(boolean encrypt) throws Exception {
    TestRing ring = new TestRing(3, SETTINGS.withEncrypt(encrypt));
    ring.each(
        rank -> {
          rank.allReduce(HeapStorage.wrap(new float[10_000], 10_000));
          return null;
        });
    ring.failures(
        rank -> {
          int length = 50_000 + rank.rank();
          rank.allReduce(HeapStorage.wrap(new float[length], length));
          return null;
        });
    ring.close();
    assertEquals(0, RingEndpoint.buffersInUse());
  }

  @Test
  void ringsThatCameAndWentLeaveNoMemoryBehind() throws Exception {
    exchange();
    long before = PlatformDependent.usedDirectMemory();
    assertTrue(before > 0, "Netty counts its direct memory");
    for (int round = 0; round < 10; round++) {
      exchange();
    }
    long grown = PlatformDependent.usedDirectMemory() - before;
    int piece = 32 << 20;
    assertTrue(grown <= 2 * piece, "expected at most two pieces for 20 ranks, got " + grown);
  }

  private static void exchange() throws Exception {
    try (TestRing ring = new TestRing(2, SOCKETS)) {
      ring.each(
          rank -> {
            rank.allReduce(HeapStorage.wrap(new float[10_000], 10_000));
            return null;
          });
    }
  }

  private static Object barrier(Collective ring) {
    ring.barrier();
    return null;
  }

  private static Throwable thrownBy(Future<?> future) {
    return assertThrows(CollectiveException.class, () -> TestRing.get(future));
  }
}
