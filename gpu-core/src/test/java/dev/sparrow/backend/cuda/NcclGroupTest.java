package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.CudaSettings;
import dev.sparrow.backend.CudaSettings.CublasUse;
import dev.sparrow.backend.CudaSettings.NcclUse;
import dev.sparrow.backend.cuda.GpuRanks.Rank;
import dev.sparrow.collective.BucketedAllReduce;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.CollectiveException;
import dev.sparrow.collective.RingSettings;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Ranks' GPUs joined by NCCL, as its stand-in has it. Values are small whole numbers, so that their
 * sums are the same in every order and type, and the ring's are the oracle.
 */
class NcclGroupTest {
  private static final long PATIENT = 60_000;

  /** Long enough for what is quick on a busy machine, short enough to wait for. */
  private static final long HASTY = 2_500;

  private static final int[] LENGTHS = {1, 2, 3, 6, 1000, 1003};

  @BeforeEach
  void load() {
    StandIns.assumeNccl();
    StandIns.spin(0);
    StandIns.tellPeers(false);
  }

  @AfterEach
  void reset() {
    if (EmulatedDriver.available()) {
      load();
    }
  }

  private static int value(int rank, int index) {
    return (rank + 1) * (index % 7 + 1);
  }

  private static float[] values(int rank, int length) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = value(rank, i);
    }
    return values;
  }

  private static float[] sums(int ranks, int length) {
    float[] sums = new float[length];
    for (int rank = 0; rank < ranks; rank++) {
      float[] own = values(rank, length);
      for (int i = 0; i < length; i++) {
        sums[i] += own[i];
      }
    }
    return sums;
  }

  private static Tensor upload(CudaBackend backend, DType type, float[] values) {
    Tensor tensor = backend.allocate(type, Shape.of(values.length));
    backend.upload(values, 0, tensor);
    return tensor;
  }

  private static float[] download(CudaBackend backend, Tensor tensor) {
    float[] values = new float[(int) tensor.size()];
    backend.downloadSync(tensor, values, 0);
    return values;
  }

  private static float[] part(float[] values, int part, int size) {
    return Arrays.copyOfRange(
        values,
        (int) Collective.partStart(values.length, part, size),
        (int) Collective.partStart(values.length, part + 1, size));
  }

  /** All of a collective's calls on tensors, on lengths that divide by the ranks and do not. */
  static Void callsAreTheRings(CudaBackend backend, Collective ranks) {
    int rank = ranks.rank();
    int size = ranks.size();
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      for (int length : LENGTHS) {
        String what = "rank %d of %d, %s, length %d".formatted(rank, size, type, length);
        float[] sums = sums(size, length);

        Tensor reduced = upload(backend, type, values(rank, length));
        ranks.allReduce(reduced);
        assertArrayEquals(sums, download(backend, reduced), what);

        Tensor scattered = upload(backend, type, values(rank, length));
        ranks.reduceScatter(scattered);
        assertArrayEquals(
            part(sums, rank, size), part(download(backend, scattered), rank, size), what);

        ranks.allGather(scattered);
        assertArrayEquals(sums, download(backend, scattered), what);

        Tensor told = upload(backend, type, values(rank, length));
        ranks.broadcast(told, size - 1);
        assertArrayEquals(values(size - 1, length), download(backend, told), what);

        exchange(backend, ranks, type, length);
      }
    }
    return null;
  }

  private static void exchange(CudaBackend backend, Collective ranks, DType type, int part) {
    int size = ranks.size();
    Tensor sent = upload(backend, type, values(ranks.rank(), part * size));
    Tensor received = backend.allocate(type, Shape.of(part * size));
    ranks.allToAll(sent, received);
    float[] got = download(backend, received);
    for (int from = 0; from < size; from++) {
      assertArrayEquals(part(values(from, part * size), ranks.rank(), size), part(got, from, size));
    }
  }

  @Test
  void callsOfTwoRanksAreTheRings() throws Exception {
    GpuRanks.run(Rank.joined(2), PATIENT, NcclGroupTest::callsAreTheRings);
  }

  @Test
  void callsOfTwoRanksThatMeetOnTheDeviceAreTheRings() throws Exception {
    StandIns.spin(1_000);
    GpuRanks.run(Rank.joined(2), PATIENT, NcclGroupTest::callsAreTheRings);
  }

  @Test
  void callsThroughTheHostAreTheRings() throws Exception {
    List<Rank> ranks = List.of(new Rank(0, CudaSettings.OWN), new Rank(1, CudaSettings.OWN));
    GpuRanks.run(ranks, PATIENT, NcclGroupTest::callsAreTheRings);
  }

  @Test
  void callsOfThreeRanksAreTheRings() throws Exception {
    Map<String, String> gpus = Map.of("SPARROW_EMULATED_GPUS", "3");
    assertTrue(GpuPresence.outputOfJvm(ThreeRanks.class, gpus).contains("three ranks agree"));
  }

  /** A JVM of its own, because the emulated driver has two GPUs in this one. */
  static final class ThreeRanks {
    public static void main(String[] args) throws Exception {
      StandIns.assumeNccl();
      GpuRanks.run(Rank.joined(3), PATIENT, NcclGroupTest::callsAreTheRings);
      System.out.println("three ranks agree");
      System.exit(0); // the ring's threads linger for some seconds
    }
  }

  private static final CudaSettings MAY_JOIN = new CudaSettings(CublasUse.OFF, true, NcclUse.AUTO);

  /** Whether a tensor's sum loads the ring, which NCCL leaves alone. */
  private static boolean sumsThroughTheHost(CudaBackend backend, Collective ranks) {
    Tensor values = upload(backend, DType.F32, values(ranks.rank(), 10_000));
    long before = ranks.sentBytes();
    ranks.allReduce(values);
    assertArrayEquals(sums(ranks.size(), 10_000), download(backend, values));
    return ranks.sentBytes() > before;
  }

  private static final List<Boolean> BOTH = List.of(true, true);
  private static final List<Boolean> NEITHER = List.of(false, false);

  /** Where one rank lacks NCCL, or two share a GPU, all agree on the way through the host. */
  @Test
  void whereNotAllCanJoinAllGoThroughTheHost() throws Exception {
    Rank with = new Rank(0, MAY_JOIN);
    Rank without = new Rank(1, CudaSettings.OWN);
    assertEquals(BOTH, throughTheHost(List.of(with, without), RingSettings.defaults()));
    assertEquals(BOTH, throughTheHost(List.of(without, with), RingSettings.defaults()));
    assertEquals(BOTH, throughTheHost(List.of(with, with), RingSettings.defaults()));
    Rank other = new Rank(1, MAY_JOIN);
    assertEquals(NEITHER, throughTheHost(List.of(with, other), RingSettings.defaults()));
  }

  /** NCCL does not encrypt; who demands it all the same gets it. */
  @Test
  void whereTheRingIsEncryptedTensorsGoRoundItUnlessNcclIsDemanded() throws Exception {
    RingSettings encrypted = RingSettings.defaults().withEncrypt(true);
    List<Rank> may = List.of(new Rank(0, MAY_JOIN), new Rank(1, MAY_JOIN));
    assertEquals(BOTH, throughTheHost(may, encrypted));
    assertEquals(NEITHER, throughTheHost(Rank.joined(2), encrypted));
  }

  private static List<Boolean> throughTheHost(List<Rank> ranks, RingSettings settings)
      throws Exception {
    return GpuRanks.run(ranks, settings, NcclGroupTest::sumsThroughTheHost);
  }

  @Test
  void whereNcclIsDemandedAndCannotBeHadAllRanksFail() {
    CudaSettings demanded = Rank.joined(1).get(0).settings();
    List<Rank> sharing = List.of(new Rank(0, demanded), new Rank(0, demanded));
    String message =
        assertThrows(
                CollectiveException.class,
                () -> GpuRanks.run(sharing, PATIENT, NcclGroupTest::sumsThroughTheHost))
            .getMessage();
    assertTrue(
        message.startsWith(
            "train.cuda.nccl=on: expected devices to reach each other, but 0 of 2 ranks' devices"
                + " joined the others; NCCL 2.21.5, rank 0 of 2, ncclCommInitRankConfig: "),
        message);
    assertTrue(message.contains("Duplicate GPU detected"), message);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1_000})
  void bucketsAreSummedBesideBackward(int spin) throws Exception {
    StandIns.spin(spin);
    int length = 10_000;
    long[] starts = {0, 2500, 6000, 9000};
    GpuRanks.run(
        Rank.joined(2),
        PATIENT,
        (backend, ranks) -> {
          Tensor arena = backend.allocate(DType.F32, Shape.of(length));
          try (BucketedAllReduce buckets = new BucketedAllReduce(ranks, arena, starts)) {
            for (int step = 1; step <= 3; step++) {
              backend.upload(new float[length], 0, arena);
              for (int bucket = starts.length - 1; bucket >= 0; bucket--) {
                int start = (int) starts[bucket];
                int end = bucket + 1 < starts.length ? (int) starts[bucket + 1] : length;
                float[] own = values(ranks.rank() * step, end - start);
                backend.upload(own, 0, arena.window(start, end - start));
                buckets.ready(start);
              }
              buckets.await();
              float[] got = download(backend, arena);
              for (int bucket = 0; bucket < starts.length; bucket++) {
                int at = (int) starts[bucket];
                assertEquals(value(0, 0) + value(step, 0), got[at], "step " + step);
              }
            }
          }
          return null;
        });
  }

  /** What the ranks that are left get to hear where one never comes, and how soon. */
  private static String deathOf(int mute, long limitMillis) throws Exception {
    CountDownLatch left = new CountDownLatch(1);
    List<String> messages =
        GpuRanks.run(
            Rank.joined(2),
            limitMillis,
            (backend, ranks) -> {
              Tensor values = upload(backend, DType.F32, values(ranks.rank(), 100));
              ranks.allReduce(values);
              if (ranks.rank() == mute) {
                assertTrue(left.await(PATIENT, TimeUnit.MILLISECONDS));
                return null;
              }
              try {
                String first =
                    assertThrows(CollectiveException.class, () -> ranks.allReduce(values))
                        .getMessage();
                String later =
                    assertThrows(CollectiveException.class, () -> ranks.allReduce(values))
                        .getMessage();
                assertTrue(later.contains("failed before"), later);
                backend.synchronize();
                return first;
              } finally {
                left.countDown();
              }
            });
    return messages.get(1 - mute);
  }

  /** In the call, which is in progress for ever, or on the device, whose stream never gets on. */
  @ParameterizedTest
  @ValueSource(ints = {0, 9_000})
  void aRankThatNeverComesEndsTheCallByItsLimit(int spin) throws Exception {
    StandIns.spin(spin);
    String message = deathOf(1, HASTY);
    assertTrue(message.contains("NCCL 2.21.5, rank 0 of 2, allReduce of "), message);
    assertTrue(message.contains("not through after 2500 ms; another rank is gone"), message);
    assertTrue(deathOf(0, HASTY).contains("rank 1 of 2"));
  }

  /** The ring tells of it, long before the limit. */
  @ParameterizedTest
  @ValueSource(ints = {0, 9_000})
  void aRankThatLeavesEndsTheCallSoon(int spin) throws Exception {
    StandIns.spin(spin);
    List<String> messages =
        GpuRanks.run(
            Rank.joined(2),
            PATIENT,
            (backend, ranks) -> {
              if (ranks.rank() == 1) {
                ranks.close();
                return null;
              }
              Tensor values = upload(backend, DType.F32, values(0, 100));
              long start = System.nanoTime();
              String message =
                  assertThrows(CollectiveException.class, () -> ranks.allReduce(values))
                      .getMessage();
              long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start);
              assertTrue(seconds < PATIENT / 2000, seconds + " s");
              return message;
            });
    assertTrue(messages.get(0).contains("has closed the ring"), messages.get(0));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 9_000})
  void aRankThatAbortsIsHeardOfAtOnce(int spin) throws Exception {
    StandIns.tellPeers(true);
    StandIns.spin(spin);
    CountDownLatch waiting = new CountDownLatch(1);
    List<String> messages =
        GpuRanks.run(
            Rank.joined(2),
            PATIENT,
            (backend, ranks) -> {
              Tensor values = upload(backend, DType.F32, values(ranks.rank(), 100));
              if (ranks.rank() == 1) {
                assertTrue(waiting.await(PATIENT, TimeUnit.MILLISECONDS));
                Thread.sleep(200);
                Thread.currentThread().interrupt();
              } else {
                waiting.countDown();
              }
              String message =
                  assertThrows(CollectiveException.class, () -> ranks.allReduce(values))
                      .getMessage();
              Thread.interrupted();
              return message;
            });
    assertTrue(messages.get(0).contains("6 (remote process exited"), messages.get(0));
    assertTrue(messages.get(1).contains("interrupted"), messages.get(1));
  }

  @Test
  void closingLetsAWaitingThreadGo() throws Exception {
    GpuRanks.run(
        Rank.joined(2),
        PATIENT,
        (backend, ranks) -> {
          if (ranks.rank() == 1) {
            ranks.barrier();
            return null;
          }
          Tensor values = upload(backend, DType.F32, values(0, 100));
          ranks.mark();
          String[] message = new String[1];
          CountDownLatch begun = new CountDownLatch(1);
          Thread waiting =
              new Thread(
                  () -> {
                    begun.countDown();
                    message[0] =
                        assertThrows(CollectiveException.class, () -> ranks.allReduce(values))
                            .getMessage();
                  });
          waiting.start();
          begun.await();
          Thread.sleep(200);
          ranks.barrier();
          ranks.close();
          waiting.join(PATIENT);
          assertFalse(waiting.isAlive());
          assertTrue(message[0].contains("this rank closed the group"), message[0]);
          return null;
        });
  }

  /** A thread in a bucket's sum is interrupted and joined. */
  @Test
  void closingTheBucketsEndsTheirSum() throws Exception {
    GpuRanks.run(
        Rank.joined(2),
        PATIENT,
        (backend, ranks) -> {
          if (ranks.rank() == 0) {
            Tensor arena = upload(backend, DType.F32, values(0, 100));
            BucketedAllReduce buckets = new BucketedAllReduce(ranks, arena, new long[] {0});
            buckets.ready(0);
            Thread.sleep(200);
            buckets.close();
            assertThrows(CollectiveException.class, buckets::await);
          }
          ranks.barrier();
          return null;
        });
  }

  @Test
  void sizesThatDifferAreNoSilentMatter() throws Exception {
    List<String> messages =
        GpuRanks.run(
            Rank.joined(2),
            PATIENT,
            (backend, ranks) -> {
              Tensor values = upload(backend, DType.F32, values(0, 100 + ranks.rank()));
              return assertThrows(CollectiveException.class, () -> ranks.allReduce(values))
                  .getMessage();
            });
    for (String message : messages) {
      assertTrue(message.contains("5 (invalid usage)"), message);
    }
  }
}
