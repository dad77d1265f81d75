package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.Shape;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.slf4j.LoggerFactory;

/**
 * Device blocks by size class, kept for reuse when freed, because the driver's own allocation
 * synchronises the device.
 *
 * <p>Stream order: a freed block may be handed out again at once, while work that reads it is still
 * queued. That is right as long as every user of blocks works on the one compute stream; whoever
 * lets another stream touch a block lets it wait for what the compute stream held at the
 * allocation, and makes the compute stream wait for that work before freeing it.
 *
 * <p>Used by one thread at a time, the one that owns the context. The caller owns a block from
 * {@link #allocate} to {@link #free}; {@link #close} gives everything back to the heap and reports
 * what was still live. An address that is not live is refused, be it foreign or freed before.
 */
final class CachingAllocator implements AutoCloseable {
  private static final int LARGEST_NAMED = 5;

  private final DeviceMemory heap;
  private final Consumer<String> leakReport;
  private final Map<Long, LiveBlock> live = new HashMap<>();
  private final TreeMap<Long, ArrayDeque<Long>> cached = new TreeMap<>();
  private long liveBytes;
  private long cachedBytes;
  private boolean closed;

  CachingAllocator(DeviceMemory heap) {
    this(heap, LoggerFactory.getLogger(CachingAllocator.class)::warn);
  }

  /**
   * @param leakReport receives one line from {@link #close} where blocks were still live
   */
  CachingAllocator(DeviceMemory heap, Consumer<String> leakReport) {
    this.heap = heap;
    this.leakReport = leakReport;
  }

  /**
   * The address of a block of at least {@code bytes}, aligned to 512 bytes, contents undefined.
   *
   * @param name and shape go into messages only
   * @throws DeviceOutOfMemoryException where the heap is exhausted also without the cache
   */
  long allocate(long bytes, String name, Shape shape) {
    requireOpen();
    long blockBytes = SizeClasses.roundUp(bytes);
    long address = takeCached(blockBytes);
    if (address == DeviceMemory.EXHAUSTED) {
      address = fromHeap(blockBytes);
    }
    if (address == DeviceMemory.EXHAUSTED) {
      throw outOfMemory(bytes, name, shape);
    }
    live.put(address, new LiveBlock(address, name, shape, bytes, blockBytes));
    liveBytes += blockBytes;
    return address;
  }

  /** Gives a live block back, by its address, for reuse by later work of the compute stream. */
  void free(long address) {
    requireOpen();
    LiveBlock block = live.remove(address);
    if (block == null) {
      throw new IllegalArgumentException(
          String.format(
              "free: expected the address of a live block, got 0x%x, which was %s",
              address,
              isCached(address)
                  ? "freed before; free each tensor once"
                  : "never allocated here; free by the address that allocate answered"));
    }
    liveBytes -= block.blockBytes();
    cachedBytes += block.blockBytes();
    cached.computeIfAbsent(block.blockBytes(), size -> new ArrayDeque<>()).push(address);
  }

  /**
   * Gives all cached blocks back to the heap, which waits for the device; a step never calls it.
   */
  void releaseCached() {
    cached.values().forEach(blocks -> blocks.forEach(heap::free));
    cached.clear();
    cachedBytes = 0;
  }

  /** Bytes in callers' hands, as the size classes rounded them. */
  long liveBytes() {
    return liveBytes;
  }

  /** Bytes kept for reuse. */
  long cachedBytes() {
    return cachedBytes;
  }

  /** The largest live blocks first, at most {@code count}; equal ones in the order of names. */
  List<LiveBlock> largest(int count) {
    return live.values().stream()
        .sorted(
            Comparator.comparingLong(LiveBlock::blockBytes)
                .reversed()
                .thenComparing(LiveBlock::name)
                .thenComparingLong(LiveBlock::address))
        .limit(count)
        .toList();
  }

  /** Gives everything back to the heap and reports blocks that were still live. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (!live.isEmpty()) {
      leakReport.accept(
          "device memory: "
              + live.size()
              + " blocks, "
              + Bytes.words(liveBytes)
              + ", were not freed before closing; largest: "
              + largestInWords());
    }
    releaseCached();
    live.keySet().forEach(heap::free);
    live.clear();
    liveBytes = 0;
  }

  private long takeCached(long blockBytes) {
    ArrayDeque<Long> blocks = cached.get(blockBytes);
    if (blocks == null || blocks.isEmpty()) {
      return DeviceMemory.EXHAUSTED;
    }
    cachedBytes -= blockBytes;
    return blocks.pop();
  }

  private long fromHeap(long blockBytes) {
    long address = heap.allocate(blockBytes);
    if (address == DeviceMemory.EXHAUSTED && cachedBytes > 0) {
      releaseCached();
      address = heap.allocate(blockBytes);
    }
    return address;
  }

  private boolean isCached(long address) {
    return cached.values().stream().anyMatch(blocks -> blocks.contains(address));
  }

  private DeviceOutOfMemoryException outOfMemory(long bytes, String name, Shape shape) {
    return new DeviceOutOfMemoryException(
        "device out of memory: asked "
            + Bytes.words(bytes)
            + " for "
            + name
            + shape
            + ", free "
            + Bytes.words(heap.freeBytes())
            + " of "
            + Bytes.words(heap.totalBytes())
            + ", held in cache "
            + Bytes.words(cachedBytes)
            + ", live "
            + Bytes.words(liveBytes)
            + "; largest: "
            + largestInWords()
            + "; use a smaller batch or more ranks");
  }

  private String largestInWords() {
    return live.isEmpty()
        ? "none"
        : largest(LARGEST_NAMED).stream()
            .map(LiveBlock::toString)
            .collect(Collectors.joining(", "));
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("device memory: closed");
    }
  }
}
