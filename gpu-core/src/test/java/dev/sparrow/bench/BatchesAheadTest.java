package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.data.EpochsInMemory;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageRows;
import dev.sparrow.data.ImageShape;
import dev.sparrow.data.ImageTransform;
import dev.sparrow.data.Rows;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BatchesAheadTest {
  private static final int ROWS = 23;
  private static final long SEED = 7;

  private static Rows<ImageBatch> rows() {
    ImageShape shape = new ImageShape(1, 1, 1);
    int[] labels = IntStream.range(0, ROWS).toArray();
    ImageTransform plain = ImageTransform.evaluation(shape, new float[] {0}, new float[] {1});
    return new ImageRows(ByteBuffer.allocate(ROWS), labels, shape, plain);
  }

  private static BatchSource alone(BatchPlan plan) {
    return new EpochsInMemory<>(rows(), plan, SEED, true);
  }

  private static void requireSame(BatchSource expected, BatchSource got, int batches) {
    for (int i = 0; i < batches; i++) {
      ImageBatch one = (ImageBatch) expected.next();
      ImageBatch other = (ImageBatch) got.next();
      assertEquals(one.firstSample(), other.firstSample(), "batch " + i);
      assertEquals(Arrays.toString(one.labels()), Arrays.toString(other.labels()), "batch " + i);
      assertEquals(expected.position(), got.position(), "batch " + i);
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 4, 4", "2, 4, 4", "5, 4, 4", "3, 4, 2", "3, 23, 1"})
  void manyThreadsGiveWhatOneSourceGives(int threads, int batch, int microBatch) {
    BatchPlan plan = BatchPlan.of(batch, microBatch, 0, 1);
    try (BatchSource expected = alone(plan);
        BatchSource got = new BatchesAhead(plan, threads, () -> alone(plan))) {
      assertEquals(expected.samplesPerEpoch(), got.samplesPerEpoch());
      requireSame(expected, got, 50);
      expected.restore(7L * batch);
      got.restore(7L * batch);
      requireSame(expected, got, 20);
    }
  }

  @Test
  void aFailureArrivesAtWhoAsks() {
    BatchPlan plan = BatchPlan.of(4, 4, 0, 1);
    Rows<ImageBatch> good = rows();
    Rows<ImageBatch> broken =
        new Rows<>() {
          @Override
          public int count() {
            return good.count();
          }

          @Override
          public ImageBatch batch(int samples) {
            return good.batch(samples);
          }

          @Override
          public void copy(int row, long sample, ImageBatch batch, int place) {
            throw new IllegalStateException("row " + row);
          }
        };
    try (BatchSource source =
        new BatchesAhead(plan, 2, () -> new EpochsInMemory<>(broken, plan, 1, false))) {
      assertEquals("row 0", assertThrows(IllegalStateException.class, source::next).getMessage());
    }
  }
}
