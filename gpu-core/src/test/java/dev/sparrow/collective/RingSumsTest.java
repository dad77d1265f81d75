package dev.sparrow.collective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RingSumsTest {
  private static final int CHUNK = 1024;
  private static final int CHUNK_FLOATS = CHUNK / Float.BYTES;
  private static final int[] LENGTHS = {
    0, 1, 2, 3, 7, CHUNK_FLOATS - 1, CHUNK_FLOATS, CHUNK_FLOATS + 1, 10_007
  };
  private static final RingSettings SMALL_CHUNKS = RingSettings.defaults().withChunkBytes(CHUNK);

  @ParameterizedTest
  @CsvSource({
    "1,false,true",
    "2,false,true",
    "3,false,true",
    "4,false,true",
    "5,false,true",
    "2,false,false",
    "5,false,false",
    "2,true,true",
    "3,true,true"
  })
  void sumsEqualTheDoubleSumAndAreTheSameBitsOnAllRanksAndRepeats(
      int size, boolean encrypt, boolean share) throws Exception {
    RingSettings settings = SMALL_CHUNKS.withEncrypt(encrypt).withShareMemory(share);
    try (TestRing ring = new TestRing(size, settings)) {
      for (int length : LENGTHS) {
        List<float[]> first = allReduce(ring, length);
        assertSums(size, length, first.get(0));
        first.forEach(other -> assertArrayEquals(first.get(0), other));
        assertArrayEquals(first.get(0), allReduce(ring, length).get(0));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"false,true", "false,false", "true,true"})
  void sumsOfSeveralMegabytesWithTheDefaultChunk(boolean encrypt, boolean share) throws Exception {
    int length = 1_500_001;
    RingSettings settings = RingSettings.defaults().withEncrypt(encrypt).withShareMemory(share);
    try (TestRing ring = new TestRing(3, settings)) {
      List<float[]> sums = allReduce(ring, length);
      assertSums(3, length, sums.get(0));
      sums.forEach(other -> assertArrayEquals(sums.get(0), other));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void sumsOfDoublesAndIntsAreExact(int size) throws Exception {
    try (TestRing ring = new TestRing(size, SMALL_CHUNKS)) {
      ring.each(
          rank -> {
            double[] doubles = {rank.rank() + 1, 0.5, -1e300};
            rank.allReduce(doubles);
            assertArrayEquals(
                new double[] {size * (size + 1) / 2.0, 0.5 * size, -1e300 * size}, doubles);
            int[] ints = {rank.rank(), 7};
            rank.allReduce(HeapStorage.wrap(ints, 2));
            assertArrayEquals(new int[] {size * (size - 1) / 2, 7 * size}, ints);
            return null;
          });
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void onlyTheWindowOfTheTensorIsSummed(int size) throws Exception {
    try (TestRing ring = new TestRing(size, SMALL_CHUNKS)) {
      ring.each(
          rank -> {
            Tensor whole = HeapStorage.wrap(new float[] {1, 1, 1, 1, 1, 1}, 6);
            rank.allReduce(new Tensor(whole.storage(), 2, Shape.of(3)));
            float[] expected = {1, 1, size, size, size, 1};
            assertArrayEquals(expected, HeapStorage.floats(whole));
            return null;
          });
    }
  }

  private static List<float[]> allReduce(TestRing ring, int length) throws Exception {
    return ring.each(
        rank -> {
          float[] values = values(rank.rank(), length);
          long before = rank.sentBytes();
          rank.allReduce(HeapStorage.wrap(values, length));
          long bound = 4L * length * 2 * (rank.size() - 1) / rank.size();
          assertTrue(rank.sentBytes() - before >= bound - 8 * rank.size(), "sent too little");
          return values;
        });
  }

  private static float[] values(int rank, int length) {
    SplittableRandom random = new SplittableRandom(31 * rank + length);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return values;
  }

  /** Each of size - 1 additions rounds a sum of at most size: half an ulp of it, 2^-24 relative. */
  private static void assertSums(int size, int length, float[] sums) {
    double[] expected = new double[length];
    for (int rank = 0; rank < size; rank++) {
      float[] values = values(rank, length);
      for (int i = 0; i < length; i++) {
        expected[i] += values[i];
      }
    }
    double tolerance = (size - 1) * size * Math.pow(2, -24);
    for (int i = 0; i < length; i++) {
      assertEquals(expected[i], sums[i], tolerance, "ranks " + size + ", element " + i);
    }
  }
}
