package dev.sparrow.collective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RingOperationsTest {
  private static final RingSettings SETTINGS = RingSettings.defaults().withChunkBytes(64);

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5})
  void reduceScatterLeavesEachRankTheSumsOfItsPart(int size) throws Exception {
    try (TestRing ring = new TestRing(size, SETTINGS)) {
      for (int length : new int[] {0, 1, 3, 101}) {
        ring.each(
            rank -> {
              float[] values = new float[length];
              for (int i = 0; i < length; i++) {
                values[i] = i + 1000 * rank.rank();
              }
              rank.reduceScatter(HeapStorage.wrap(values, length));
              int end = (int) Collective.partStart(length, rank.rank() + 1, size);
              for (int i = (int) Collective.partStart(length, rank.rank(), size); i < end; i++) {
                assertEquals(size * i + 1000 * size * (size - 1) / 2, values[i]);
              }
              return null;
            });
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5})
  void allGatherGivesEveryoneAllParts(int size) throws Exception {
    try (TestRing ring = new TestRing(size, SETTINGS)) {
      for (int length : new int[] {0, 1, 3, 101}) {
        ring.each(
            rank -> {
              int[] expected = new int[length];
              int[] values = new int[length];
              for (int part = 0; part < size; part++) {
                int end = (int) Collective.partStart(length, part + 1, size);
                for (int i = (int) Collective.partStart(length, part, size); i < end; i++) {
                  expected[i] = 10 * part + i;
                  values[i] = part == rank.rank() ? expected[i] : -1;
                }
              }
              rank.allGather(HeapStorage.wrap(values, length));
              assertArrayEquals(expected, values);
              return null;
            });
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5})
  void allToAllTransposesBlocksAndKeepsItsInput(int size) throws Exception {
    try (TestRing ring = new TestRing(size, SETTINGS)) {
      for (int block : new int[] {0, 1, 37, 5}) {
        ring.each(
            rank -> {
              float[] send = new float[size * block];
              float[] expected = new float[size * block];
              for (int i = 0; i < send.length; i++) {
                send[i] = 10_000 * rank.rank() + i;
                expected[i] = 10_000 * (i / block) + rank.rank() * block + i % block;
              }
              float[] kept = send.clone();
              float[] received = new float[send.length];
              rank.allToAll(
                  HeapStorage.wrap(send, send.length), HeapStorage.wrap(received, send.length));
              assertArrayEquals(expected, received);
              assertArrayEquals(kept, send);
              return null;
            });
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5})
  void broadcastGivesEveryoneTheRootsValuesAndBytes(int size) throws Exception {
    try (TestRing ring = new TestRing(size, SETTINGS)) {
      for (int root = 0; root < size; root++) {
        int from = root;
        ring.each(
            rank -> {
              double[] values = new double[77];
              values[76] = rank.rank() + 1;
              rank.broadcast(HeapStorage.wrap(values, 77), from);
              assertEquals(from + 1, values[76]);
              byte[] text = ("from " + from).getBytes(StandardCharsets.UTF_8);
              assertArrayEquals(text, rank.broadcast(rank.rank() == from ? text : null, from));
              assertEquals(0, rank.broadcast(new byte[0], from).length);
              return null;
            });
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void nobodyPassesABarrierBeforeAllHaveCome(int size) throws Exception {
    try (TestRing ring = new TestRing(size, SETTINGS)) {
      AtomicInteger came = new AtomicInteger();
      for (int round = 1; round <= 20; round++) {
        int expected = round * size;
        ring.each(
            rank -> {
              came.incrementAndGet();
              rank.barrier();
              assertTrue(came.get() >= expected);
              rank.barrier();
              return null;
            });
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void unfitArgumentsAreRefusedBeforeAnythingIsSent(int size) throws Exception {
    try (TestRing ring = new TestRing(size, SETTINGS)) {
      ring.each(
          rank -> {
            Tensor floats = HeapStorage.wrap(new float[size], size);
            Tensor ints = HeapStorage.wrap(new int[size], size);
            assertThrows(IllegalArgumentException.class, () -> rank.allToAll(floats, ints));
            assertThrows(IllegalArgumentException.class, () -> rank.broadcast(floats, size));
            Tensor bytes = new Tensor(HeapStorage.allocate(DType.U8, 4), 0, Shape.of(4));
            if (size > 1) {
              assertThrows(IllegalArgumentException.class, () -> rank.allReduce(bytes));
            }
            rank.barrier();
            return null;
          });
    }
  }
}
