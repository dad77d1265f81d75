package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import dev.sparrow.data.TokenBatch;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class PrefetchRingTest {
  /** The consumer goes on with the next batch meanwhile. */
  @Test
  @Timeout(60)
  void aBatchIsFilledAgainOnceTheDeviceHasReadIt() throws Exception {
    DeviceReadInts.Given memory = new DeviceReadInts.Given();
    List<TokenBatch> batches =
        List.of(new TokenBatch(1, 1, memory::apply), new TokenBatch(1, 1, memory::apply));
    PrefetchRing.Filler<TokenBatch> filler =
        (batch, index) -> {
          batch.tokens().put(0, (int) index);
          batch.filled(1, index);
          return true;
        };
    try (PrefetchRing<TokenBatch> ring = new PrefetchRing<>("test", batches, filler)) {
      TokenBatch first = ring.next();
      DeviceReadInts read = memory.all.get(0);
      read.startReading();
      assertEquals(1, ring.next().firstSample());
      read.untilSomebodyWaits();
      assertEquals(0, first.tokens().get(0));
      read.endReading();
      assertSame(first, ring.next());
      assertEquals(2, first.tokens().get(0));
    }
  }
}
