package dev.sparrow.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.tensor.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class CachingAllocatorTest {
  private static final long MIB = 1L << 20;
  private static final long GIB = 1L << 30;

  private final List<String> reports = new ArrayList<>();

  private CachingAllocator over(DeviceMemory heap) {
    return new CachingAllocator(heap, reports::add);
  }

  private static long allocate(CachingAllocator allocator, long bytes) {
    return allocator.allocate(bytes, "x", Shape.of());
  }

  @Test
  void aFreedBlockIsReusedForItsSizeClassWithoutTheHeap() {
    FakeDeviceMemory heap = new FakeDeviceMemory(GIB);
    CachingAllocator allocator = over(heap);
    long first = allocate(allocator, 1000);
    allocator.free(first);
    assertEquals(1024, allocator.cachedBytes());
    assertEquals(first, allocate(allocator, 600));
    assertEquals(0, allocator.cachedBytes());
    assertEquals(1, heap.allocations);
    assertNotEquals(first, allocate(allocator, 600));
  }

  @Test
  void anEmptyTensorHasABlockOfItsOwn() {
    CachingAllocator allocator = over(new FakeDeviceMemory(GIB));
    long one = allocate(allocator, 0);
    long other = allocate(allocator, 0);
    assertNotEquals(one, other);
    assertEquals(1024, allocator.liveBytes());
  }

  @Test
  void theCacheGoesBackBeforeMemoryIsCalledExhausted() {
    FakeDeviceMemory heap = new FakeDeviceMemory(8 * MIB);
    CachingAllocator allocator = over(heap);
    long small = allocate(allocator, 3 * MIB);
    long kept = allocate(allocator, 2 * MIB);
    allocator.free(small);
    allocator.free(kept);
    allocate(allocator, 7 * MIB);
    assertEquals(0, allocator.cachedBytes());
    assertEquals(MIB, heap.freeBytes());
  }

  @Test
  void exhaustionNamesAskedFreeTotalCacheAndTheFiveLargest() {
    CachingAllocator allocator = over(new FakeDeviceMemory(16 * MIB));
    for (int i = 1; i <= 4; i++) {
      allocator.allocate(i * MIB, "layer" + i, Shape.of(i, 262144));
    }
    allocator.allocate(512, "tiny", Shape.of(128));
    allocator.allocate(512, "tinier", Shape.of(1));
    DeviceOutOfMemoryException e =
        assertThrows(
            DeviceOutOfMemoryException.class,
            () -> allocator.allocate(6 * MIB, "logits", Shape.of(1024, 1536)));
    assertEquals(
        "device out of memory: asked 6.0 MiB for logits[1024, 1536], free 6.0 MiB of 16.0 MiB, held"
            + " in cache 0 B, live 10.0 MiB; largest: layer4[4, 262144] 4.0 MiB, layer3[3, 262144]"
            + " 3.0 MiB, layer2[2, 262144] 2.0 MiB, layer1[1, 262144] 1.0 MiB, tinier[1] 512 B;"
            + " use a smaller batch or more ranks",
        e.getMessage());
    assertEquals(10 * MIB + 1024, allocator.liveBytes());
  }

  @Test
  void aBlockIsFreedOnce() {
    CachingAllocator allocator = over(new FakeDeviceMemory(GIB));
    long address = allocate(allocator, 100);
    allocator.free(address);
    String message =
        assertThrows(IllegalArgumentException.class, () -> allocator.free(address)).getMessage();
    assertTrue(message.contains("freed before"), message);
    assertEquals(512, allocator.cachedBytes());
  }

  @Test
  void foreignAddressesAreRefused() {
    CachingAllocator allocator = over(new FakeDeviceMemory(GIB));
    long address = allocate(allocator, 4096);
    for (long foreign : new long[] {0, 12345, address + 512}) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> allocator.free(foreign)).getMessage();
      assertTrue(message.contains("never allocated here"), message);
    }
  }

  @Test
  void closingReportsLeaksAndReturnsEverything() {
    FakeDeviceMemory heap = new FakeDeviceMemory(GIB);
    CachingAllocator allocator = over(heap);
    allocator.free(allocate(allocator, 5000));
    allocator.allocate(3 * MIB, "forgotten", Shape.of(3, 262144));
    allocator.close();
    allocator.close();
    assertEquals(
        List.of(
            "device memory: 1 blocks, 3.0 MiB, were not freed before closing; largest:"
                + " forgotten[3, 262144] 3.0 MiB"),
        reports);
    assertTrue(heap.blocks.isEmpty());
    assertThrows(IllegalStateException.class, () -> allocate(allocator, 1));
  }

  @Test
  void closingWithoutLeaksIsSilent() {
    CachingAllocator allocator = over(new FakeDeviceMemory(GIB));
    allocator.free(allocate(allocator, 5000));
    allocator.close();
    assertTrue(reports.isEmpty());
  }

  @Test
  void byteCountsPassTheIntRange() {
    FakeDeviceMemory heap = new FakeDeviceMemory(200 * GIB);
    CachingAllocator allocator = over(heap);
    long big = allocate(allocator, 90 * GIB);
    long bigger = allocate(allocator, 96 * GIB);
    assertTrue(Math.abs(big - bigger) >= 90 * GIB);
    assertEquals(186 * GIB, allocator.liveBytes());
    assertThrows(IllegalArgumentException.class, () -> allocate(allocator, -1));
    assertThrows(IllegalArgumentException.class, () -> allocate(allocator, Long.MAX_VALUE));
  }

  @Test
  void sizeClassesHoldWhatWasAskedAndWasteLessThanAnEighth() {
    Random random = new Random(7);
    for (int i = 0; i < 100_000; i++) {
      long bytes = 1 + (random.nextLong() >>> (24 + random.nextInt(38)));
      long rounded = SizeClasses.roundUp(bytes);
      assertTrue(rounded >= bytes, () -> bytes + " in " + rounded);
      assertEquals(0, rounded % SizeClasses.GRANULE_BYTES);
      assertTrue(rounded - bytes < Math.max(512, bytes / 8 + 1), () -> bytes + " in " + rounded);
      assertEquals(rounded, SizeClasses.roundUp(rounded));
    }
  }

  /** Random traffic against a map of what is live: no overlap, sums agree, everything returns. */
  @Test
  void randomTrafficNeverOverlapsAndEverythingReturns() {
    for (long seed = 1; seed <= 5; seed++) {
      soak(seed);
    }
  }

  private void soak(long seed) {
    Random random = new Random(seed);
    FakeDeviceMemory heap = new FakeDeviceMemory(64 * MIB);
    CachingAllocator allocator = over(heap);
    TreeMap<Long, Long> model = new TreeMap<>();
    List<Long> addresses = new ArrayList<>();
    int refused = 0;
    for (int step = 0; step < 4000; step++) {
      if (addresses.isEmpty() || random.nextInt(100) < 54) {
        long bytes = random.nextInt(1 << (4 + random.nextInt(19)));
        try {
          long address = allocate(allocator, bytes);
          requireNoOverlap(model, address, Math.max(1, bytes), seed, step);
          model.put(address, Math.max(1, bytes));
          addresses.add(address);
        } catch (DeviceOutOfMemoryException e) {
          refused++;
          assertEquals(0, allocator.cachedBytes(), "seed " + seed);
        }
      } else {
        int at = random.nextInt(addresses.size());
        long address = addresses.set(at, addresses.get(addresses.size() - 1));
        addresses.remove(addresses.size() - 1);
        model.remove(address);
        allocator.free(address);
      }
      long held = heap.totalBytes() - heap.freeBytes();
      assertEquals(held, allocator.liveBytes() + allocator.cachedBytes(), "seed " + seed);
    }
    assertTrue(refused > 0, "the soak never met exhaustion, seed " + seed);
    addresses.forEach(allocator::free);
    assertEquals(0, allocator.liveBytes());
    allocator.close();
    assertTrue(heap.blocks.isEmpty(), "seed " + seed);
    assertTrue(reports.isEmpty(), "seed " + seed);
  }

  private static void requireNoOverlap(
      TreeMap<Long, Long> model, long address, long bytes, long seed, int step) {
    Map.Entry<Long, Long> before = model.floorEntry(address);
    assertFalse(
        before != null && before.getKey() + before.getValue() > address,
        () -> "overlap below, seed " + seed + ", step " + step);
    Long after = model.ceilingKey(address);
    assertFalse(
        after != null && after < address + bytes,
        () -> "overlap above, seed " + seed + ", step " + step);
  }
}
