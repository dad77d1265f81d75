package dev.sparrow.backend.cuda;

import dev.sparrow.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/**
 * What every op family is made of: the compute stream, the kernels that run on it, scratch memory
 * and the way from the host to the device. Used by the context's thread.
 */
final class KernelQueue implements AutoCloseable {
  /** Threads of a block where a kernel leaves the choice: enough to hide latency, few registers. */
  static final int THREADS = 256;

  /** Blocks of a multiprocessor that loops over its work: its 2048 threads, once. */
  private static final int BLOCKS_PER_MULTIPROCESSOR = 8;

  /** 16 bytes of bf16, the widest loads. */
  private static final int ELEMENTS_PER_THREAD = 8;

  private final CudaContext context;
  private final Stream stream;
  private final KernelLibrary kernels;
  private final CachingAllocator memory;
  private final Staging staging;
  private final List<Scratch> scratch = new ArrayList<>();
  private long generation;

  KernelQueue(CudaContext context, KernelLibrary kernels, CachingAllocator memory, Stream stream) {
    this.context = context;
    this.kernels = kernels;
    this.memory = memory;
    this.stream = stream;
    this.staging = new Staging(stream);
  }

  /** Whether the device runs a kernel of that name. */
  boolean hasKernel(String name) {
    return kernels.has(name);
  }

  /** A launch of the kernel, to be kept by the caller. */
  Launch kernel(String name) {
    return kernels.kernel(name).launch();
  }

  /** The kernel in both float types, {@code stem_f32} and {@code stem_bf16}. */
  ByType kernels(String stem) {
    return new ByType(kernel(stem + "_f32"), kernel(stem + "_bf16"));
  }

  /** A kernel's instances for F32 and BF16. */
  record ByType(Launch f32, Launch bf16) {
    Launch of(DType type) {
      return switch (type) {
        case F32 -> f32;
        case BF16 -> bf16;
        default -> throw new IllegalArgumentException("expected F32 or BF16, got " + type);
      };
    }
  }

  void run(Launch launch) {
    stream.launch(launch);
  }

  Stream stream() {
    return stream;
  }

  Staging staging() {
    return staging;
  }

  CudaDevice device() {
    return context.device();
  }

  CachingAllocator memory() {
    return memory;
  }

  /** Blocks for {@code items} pieces of work, {@code perBlock} of them at a time in a block. */
  int blocks(long items, int perBlock) {
    long needed = (items + perBlock - 1) / perBlock;
    return (int) Math.max(1, Math.min(needed, residentBlocks()));
  }

  /** The launch with as many blocks as element-wise work of so many elements needs. */
  Launch overElements(Launch launch, long elements) {
    return launch.grid(blocks(elements, ELEMENTS_PER_THREAD * THREADS)).block(THREADS);
  }

  /** Threads for a row: whole warps, one thread for eight columns. */
  static int threads(int columns) {
    int wanted = (columns + ELEMENTS_PER_THREAD - 1) / ELEMENTS_PER_THREAD;
    return Math.min(THREADS, (wanted + 31) / 32 * 32);
  }

  /** Blocks of 256 threads that the device runs at once. */
  int residentBlocks() {
    return BLOCKS_PER_MULTIPROCESSOR * device().multiprocessors();
  }

  /** Memory of one op family's own that grows to the largest request; freed with this queue. */
  Scratch scratch(String name) {
    Scratch made = new Scratch(this, name);
    scratch.add(made);
    return made;
  }

  /** Counts how often memory that launches refer to has moved: recorded ones are then stale. */
  long generation() {
    return generation;
  }

  /** Memory that launches refer to is about to move. */
  void moved() {
    staging.requireNotRecording("memory grows");
    generation++;
  }

  /**
   * Whether what is queued is recorded and not run: nothing may be waited for or come from host.
   */
  void recording(boolean on) {
    staging.recording(on);
  }

  @Override
  public void close() {
    scratch.forEach(Scratch::close);
    staging.close();
  }
}
