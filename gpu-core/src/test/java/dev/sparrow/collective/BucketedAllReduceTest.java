package dev.sparrow.collective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class BucketedAllReduceTest {
  private static final RingSettings SETTINGS = RingSettings.defaults();
  private static final long[] STARTS = {0, 10, 40};

  @Test
  void bucketsAreSummedOverTheRanksStepAfterStep() throws Exception {
    try (TestRing ring = new TestRing(2, SETTINGS)) {
      ring.each(
          rank -> {
            float[] gradients = new float[50];
            Tensor arena = HeapStorage.wrap(gradients, 50);
            try (BucketedAllReduce buckets = new BucketedAllReduce(rank, arena, STARTS)) {
              for (int step = 1; step <= 5; step++) {
                float[] expected = new float[50];
                for (int i = 49; i >= 0; i--) {
                  gradients[i] = step * i * (rank.rank() + 1);
                  expected[i] = 3 * step * i;
                  buckets.ready(i);
                }
                buckets.await();
                assertArrayEquals(expected, gradients);
              }
              assertTrue(buckets.waitedNanos() > 0);
            }
            rank.barrier();
            return null;
          });
    }
  }

  @Test
  void aBucketStartsOnceItIsReadyAndTheLastGoesFirst() throws Exception {
    RecordingCollective recorder = new RecordingCollective(2);
    Tensor arena = HeapStorage.wrap(new float[50], 50);
    try (BucketedAllReduce buckets = new BucketedAllReduce(recorder, arena, STARTS)) {
      buckets.ready(41);
      buckets.ready(40);
      assertEquals(40, recorder.next());
      buckets.ready(11);
      assertTrue(recorder.offsets.isEmpty(), "bucket 1 must wait for element 10");
      buckets.ready(0);
      assertEquals(10, recorder.next());
      assertEquals(0, recorder.next());
      buckets.await();
      buckets.await();
      assertEquals(40, recorder.next());
    }
  }

  @Test
  void theFirstErrorIsThrownByAwaitInThisAndLaterSteps() {
    RecordingCollective recorder = new RecordingCollective(2);
    recorder.failure = new CollectiveException("rank 1 is gone");
    Tensor arena = HeapStorage.wrap(new float[50], 50);
    try (BucketedAllReduce buckets = new BucketedAllReduce(recorder, arena, STARTS)) {
      buckets.ready(0);
      for (int step = 0; step < 2; step++) {
        String why = assertThrows(CollectiveException.class, buckets::await).getMessage();
        assertTrue(why.contains("rank 1 is gone"), why);
      }
    }
  }

  @Test
  void closeReleasesAwaitThoughAPeerNeverComes() throws Exception {
    try (TestRing ring = new TestRing(2, SETTINGS)) {
      Tensor arena = HeapStorage.wrap(new float[50], 50);
      BucketedAllReduce buckets = new BucketedAllReduce(ring.ranks.get(0), arena, STARTS);
      Future<?> waiting =
          ring.start(
              () -> {
                buckets.await();
                return null;
              });
      buckets.ready(0);
      buckets.close();
      buckets.close();
      assertThrows(CollectiveException.class, () -> TestRing.get(waiting));
    }
  }

  @Test
  void aSingleRankHasNoThreadAndNothingToWaitFor() {
    Tensor arena = HeapStorage.wrap(new float[50], 50);
    long before = bucketThreads();
    try (BucketedAllReduce buckets = new BucketedAllReduce(new LocalCollective(), arena, STARTS)) {
      assertEquals(before, bucketThreads());
      buckets.ready(0);
      buckets.await();
      assertEquals(0, buckets.waitedNanos());
    }
  }

  private static long bucketThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("sparrow-buckets"))
        .count();
  }

  @Test
  void unsortedOrShortBoundariesAreRefused() {
    Tensor arena = HeapStorage.wrap(new float[50], 50);
    for (long[] bad : new long[][] {{1}, {0, 30, 20}, {0, 60}}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new BucketedAllReduce(new LocalCollective(), arena, bad));
    }
  }

  /** Notes the first element of every all-reduced window, or fails. */
  private static final class RecordingCollective implements Collective {
    final LinkedBlockingQueue<Long> offsets = new LinkedBlockingQueue<>();
    private final int size;
    volatile CollectiveException failure;

    RecordingCollective(int size) {
      this.size = size;
    }

    long next() throws InterruptedException {
      Long offset = offsets.poll(20, TimeUnit.SECONDS);
      assertTrue(offset != null, "no bucket was reduced");
      return offset;
    }

    @Override
    public int rank() {
      return 0;
    }

    @Override
    public int size() {
      return size;
    }

    @Override
    public void allReduce(Tensor values) {
      if (failure != null) {
        throw failure;
      }
      offsets.add(values.offset());
    }

    @Override
    public void reduceScatter(Tensor values) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void allGather(Tensor values) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void allToAll(Tensor send, Tensor receive) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void broadcast(Tensor values, int root) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void allReduce(double[] values) {
      throw new UnsupportedOperationException();
    }

    @Override
    public byte[] broadcast(byte[] bytes, int root) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void barrier() {
      throw new UnsupportedOperationException();
    }

    @Override
    public long sentBytes() {
      return 0;
    }

    @Override
    public void close() {}
  }
}
