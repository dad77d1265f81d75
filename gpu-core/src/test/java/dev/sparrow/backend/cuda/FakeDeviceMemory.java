package dev.sparrow.backend.cuda;

import java.util.Map;
import java.util.TreeMap;

/** A heap of a given size that places blocks first-fit, and refuses what a driver would. */
final class FakeDeviceMemory implements DeviceMemory {
  private static final long BASE = 0x7f00_0000_0000L;

  final TreeMap<Long, Long> blocks = new TreeMap<>();
  private final long totalBytes;
  int allocations;

  FakeDeviceMemory(long totalBytes) {
    this.totalBytes = totalBytes;
  }

  @Override
  public long allocate(long bytes) {
    if (bytes <= 0) {
      throw new IllegalArgumentException("a driver refuses " + bytes + " bytes");
    }
    long start = BASE;
    for (Map.Entry<Long, Long> block : blocks.entrySet()) {
      if (block.getKey() - start >= bytes) {
        break;
      }
      start = block.getKey() + block.getValue();
    }
    if (start + bytes > BASE + totalBytes) {
      return EXHAUSTED;
    }
    blocks.put(start, bytes);
    allocations++;
    return start;
  }

  @Override
  public void free(long address) {
    if (blocks.remove(address) == null) {
      throw new IllegalArgumentException("a driver refuses to free " + address);
    }
  }

  @Override
  public long freeBytes() {
    return totalBytes - blocks.values().stream().mapToLong(Long::longValue).sum();
  }

  @Override
  public long totalBytes() {
    return totalBytes;
  }
}
