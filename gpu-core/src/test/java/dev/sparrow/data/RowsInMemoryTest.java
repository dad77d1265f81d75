package dev.sparrow.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.Image;
import dev.sparrow.tensor.HostInts;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RowsInMemoryTest {
  private static final int CONTEXT = 2;
  private static final int ROWS = 27;
  private static final long SEED = 5;

  /** Row r holds 3r, 3r + 1, 3r + 2. */
  private static int[] tokens() {
    return IntStream.range(0, ROWS * (CONTEXT + 1)).toArray();
  }

  private static EpochsInMemory<TokenBatch> source(BatchPlan plan) {
    return new EpochsInMemory<>(new TokenRows(tokens(), CONTEXT), plan, SEED, true);
  }

  private static List<Integer> rows(TokenBatch batch) {
    List<Integer> rows = new ArrayList<>();
    for (int i = 0; i < batch.samples(); i++) {
      rows.add(batch.tokens().get(i * (CONTEXT + 1)) / (CONTEXT + 1));
    }
    return rows;
  }

  /** Rows by their place in the global order, over {@code updates} global batches of 8. */
  private static List<Integer> globalOrder(int world, int micro, long from, int updates) {
    Integer[] order = new Integer[updates * 8];
    for (int rank = 0; rank < world; rank++) {
      BatchPlan plan = BatchPlan.of(8, micro, rank, world);
      EpochsInMemory<TokenBatch> source = source(plan);
      source.restore(from);
      for (int i = 0; i < updates * plan.accumulation(); i++) {
        TokenBatch batch = source.next();
        List<Integer> rows = rows(batch);
        for (int j = 0; j < rows.size(); j++) {
          order[(int) (batch.firstSample() - from) + j] = rows.get(j);
        }
      }
      assertEquals(from + updates * 8L, source.position());
    }
    return List.of(order);
  }

  @Test
  void orderIsThatOfTheSeedWhateverTheWorld() {
    List<Integer> alone = globalOrder(1, 0, 0, 7);
    assertEquals(alone, globalOrder(1, 2, 0, 7));
    assertEquals(alone, globalOrder(2, 1, 0, 7));
    assertEquals(alone, globalOrder(4, 2, 0, 7));
    assertEquals(alone.subList(16, 56), globalOrder(2, 2, 16, 5), "restored under two ranks");
  }

  @Test
  void anEpochHasEveryRowAtMostOnceAndTheNextAnotherOrder() {
    List<Integer> order = globalOrder(2, 2, 0, 6);
    List<Integer> first = order.subList(0, 24);
    assertEquals(24, source(BatchPlan.of(8, 2, 0, 2)).samplesPerEpoch());
    assertEquals(24, new HashSet<>(first).size());
    assertEquals(24, new HashSet<>(order.subList(24, 48)).size());
    assertNotEquals(first, order.subList(24, 48));
  }

  @Test
  void unshuffledRowsComeInTheirOrder() {
    EpochsInMemory<TokenBatch> source =
        new EpochsInMemory<>(
            new TokenRows(tokens(), CONTEXT), BatchPlan.of(8, 0, 0, 1), SEED, false);
    assertEquals(List.of(0, 1, 2, 3, 4, 5, 6, 7), rows(source.next()));
  }

  @Test
  void refusesDataSmallerThanABatchAndForeignPositions() {
    BatchPlan plan = BatchPlan.of(32, 0, 0, 1);
    assertThrows(IllegalArgumentException.class, () -> source(plan));
    EpochsInMemory<TokenBatch> source = source(BatchPlan.of(8, 0, 0, 1));
    Exception wrong = assertThrows(IllegalArgumentException.class, () -> source.restore(12));
    assertTrue(wrong.getMessage().contains("train.batch"), wrong.getMessage());
  }

  @Test
  void sweepsMeetEveryRowOnce() {
    List<Integer> seen = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      SweepInMemory<TokenBatch> sweep =
          new SweepInMemory<>(new TokenRows(tokens(), CONTEXT), new BatchPlan(rank, 2, 4, 1));
      for (TokenBatch batch = sweep.next(); batch != null; batch = sweep.next()) {
        seen.addAll(rows(batch));
      }
      assertNull(sweep.next());
    }
    seen.sort(Integer::compare);
    assertEquals(IntStream.range(0, ROWS).boxed().toList(), seen);
  }

  /** A device that reads a batch when it is waited for, as late as it may. */
  private static final class ReadLate implements HostInts {
    final List<Integer> firsts = new ArrayList<>();
    private final IntBuffer values;
    private boolean closed;

    ReadLate(int count) {
      values = IntBuffer.allocate(count);
    }

    @Override
    public IntBuffer values() {
      return values;
    }

    @Override
    public void awaitTakenSync() {
      firsts.add(values.get(0));
    }

    @Override
    public void close() {
      closed = true;
    }
  }

  @Test
  void aBatchIsWrittenOnceTheDeviceHasReadTheOneBefore() {
    BatchPlan plan = new BatchPlan(0, 1, 4, 1);
    for (boolean sweeps : new boolean[] {true, false}) {
      ReadLate[] memory = new ReadLate[1];
      TokenRows rows = new TokenRows(tokens(), CONTEXT, count -> memory[0] = new ReadLate(count));
      try (BatchSource source =
          sweeps
              ? new SweepInMemory<>(rows, plan)
              : new EpochsInMemory<>(rows, plan, SEED, false)) {
        for (int i = 0; i < 3; i++) {
          source.next();
        }
      }
      assertEquals(List.of(0, 0, 12), memory[0].firsts);
      assertTrue(memory[0].closed);
    }
  }

  /** By the number of its sample: an image as it was augmented, and its label. */
  private static Map<Long, List<Float>> images(int world, int micro, long from, int updates) {
    ImageShape shape = new ImageShape(4, 3, 2);
    byte[] pixels = new byte[ROWS * shape.size()];
    new SplittableRandom(8).nextBytes(pixels);
    Map<Long, List<Float>> seen = new TreeMap<>();
    for (int rank = 0; rank < world; rank++) {
      ImageTransform transform =
          ImageTransform.training(
              shape,
              new float[2],
              new float[] {1, 1},
              new Image("image", "label", 0, 0, 1, true),
              SEED);
      int[] labels = IntStream.range(0, ROWS).toArray();
      BatchPlan plan = BatchPlan.of(8, micro, rank, world);
      EpochsInMemory<ImageBatch> source =
          new EpochsInMemory<>(
              new ImageRows(ByteBuffer.wrap(pixels), labels, shape, transform), plan, SEED, true);
      source.restore(from);
      for (int i = 0; i < updates * plan.accumulation(); i++) {
        ImageBatch batch = source.next();
        for (int j = 0; j < batch.samples(); j++) {
          List<Float> values = new ArrayList<>();
          for (int k = 0; k < shape.size(); k++) {
            values.add(batch.pixels()[j * shape.size() + k]);
          }
          values.add((float) batch.labels()[j]);
          seen.put(batch.firstSample() + j, values);
        }
      }
    }
    return seen;
  }

  @Test
  void anImageIsVariedAlikeWhateverTheWorld() {
    Map<Long, List<Float>> alone = images(1, 0, 0, 7);
    assertEquals(56, alone.size());
    assertEquals(alone, images(2, 1, 0, 7));
    assertEquals(alone, images(4, 2, 0, 7));
    Map<Long, List<Float>> resumed = new TreeMap<>(alone);
    resumed.keySet().removeIf(sample -> sample < 16);
    assertEquals(resumed, images(2, 2, 16, 5), "restored under two ranks");
    // An image comes again in the next epoch, but not the same: 9 windows, mirrored or not.
    Map<Float, Set<List<Float>>> byLabel = new TreeMap<>();
    alone.values().forEach(v -> byLabel.computeIfAbsent(v.get(24), k -> new HashSet<>()).add(v));
    long varied = byLabel.values().stream().filter(forms -> forms.size() > 1).count();
    assertTrue(varied > 15, "images that came in several forms: " + varied);
  }

  @Test
  void imagesAndLabelsMustBeAsMany() {
    ImageShape shape = new ImageShape(2, 2, 1);
    ImageTransform plain = ImageTransform.evaluation(shape, new float[1], new float[] {1});
    Exception error =
        assertThrows(
            IllegalArgumentException.class,
            () -> new ImageRows(ByteBuffer.allocate(11), new int[3], shape, plain));
    assertTrue(error.getMessage().contains("12 bytes for 3 labels, got 11"), error.getMessage());
  }

  @Test
  void plansRefuseWhatDoesNotDivide() {
    for (int[] wrong : new int[][] {{9, 0, 2}, {8, 3, 2}, {1, 0, 2}, {8, 8, 2}}) {
      Exception error =
          assertThrows(
              IllegalArgumentException.class, () -> BatchPlan.of(wrong[0], wrong[1], 0, wrong[2]));
      assertTrue(error.getMessage().startsWith("train."), error.getMessage());
    }
    assertEquals(new BatchPlan(1, 2, 2, 3), BatchPlan.of(12, 2, 1, 2));
  }
}
