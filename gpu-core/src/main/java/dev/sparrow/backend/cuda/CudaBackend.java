package dev.sparrow.backend.cuda;

import dev.sparrow.backend.ActivationOps;
import dev.sparrow.backend.AttentionOps;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.BatchNormOps;
import dev.sparrow.backend.ConvOps;
import dev.sparrow.backend.CudaSettings;
import dev.sparrow.backend.CudaSettings.CublasUse;
import dev.sparrow.backend.DeviceGroups;
import dev.sparrow.backend.ElementwiseOps;
import dev.sparrow.backend.EmbeddingOps;
import dev.sparrow.backend.GroupedSparseOps;
import dev.sparrow.backend.HostExchange;
import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.LossOps;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.backend.NormOps;
import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.backend.Recording;
import dev.sparrow.backend.RoutingOps;
import dev.sparrow.backend.SparseOps;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.HostInts;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Storage;
import dev.sparrow.tensor.Tensor;
import java.nio.IntBuffer;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Locale;
import java.util.Set;
import java.util.function.LongConsumer;

/**
 * One NVIDIA GPU. Activations and the weights that products read are bf16, all arithmetic is fp32,
 * and so are parameters, their gradients, optimizer state, statistics, losses and routers.
 *
 * <p>Ops queue kernels on one stream and return; what has Sync in its name waits for them. Opened,
 * used and closed by one thread.
 */
public final class CudaBackend implements Backend {
  /** 128 bytes of bf16: rows then start on whole cache lines, and tiles divide them. */
  private static final int COLUMN_MULTIPLE = 64;

  private final Opened opened = new Opened();
  private final CudaSettings settings;
  private final CudaContext context;
  private final CachingAllocator memory;
  private final Stream stream;
  private final KernelQueue queue;
  private final PinnedUploads uploads;
  private final TokenOrigin origin;
  private final CudaElementwiseOps elementwise;
  private final CudaMatmulOps matmul;
  private final CudaEmbeddingOps embedding;
  private final CudaNormOps norm;
  private final CudaActivationOps activation;
  private final CudaAttentionOps attention;
  private final CudaLossOps loss;
  private final CudaRoutingOps routing;
  private final CudaOptimizerOps optimizer;
  private final CudaSparseOps sparse;
  private final CudaGroupedSparseOps groupedSparse;
  private final CudaConvOps conv;
  private final CudaBatchNormOps batchNorm;
  private final HostPool hostThreads;
  private final Set<Storage> owned = Collections.newSetFromMap(new IdentityHashMap<>());
  private long allocatedBytes;

  /**
   * @param address the GPU that Spark assigned to the task: an ordinal or {@code GPU-<uuid>}
   * @param threads for work on the host between ops, the calling one included
   * @throws CudaUnavailableException with cause and cure, without a driver, that GPU, kernels, or a
   *     library that the settings insist on
   */
  public static CudaBackend open(String address, CudaSettings settings, int threads) {
    return new CudaBackend(address, settings, threads, CudaBackend.class.getClassLoader());
  }

  /**
   * @param threads as {@link #open} takes them
   * @param kernels class path that holds the fatbins and their index
   */
  CudaBackend(String address, CudaSettings settings, int threads, ClassLoader kernels) {
    this.settings = settings;
    try {
      KernelLibrary.index(kernels); // before the device: what the build lacks, no GPU cures
      NcclGroups.requireDemanded(settings.nccl());
      context = opened.add(CudaContext.open(CudaDevice.open(address)));
      memory = opened.add(new CachingAllocator(new DriverMemory(context)));
      stream = opened.add(Stream.compute(context));
      uploads = opened.add(new PinnedUploads(context, memory, stream));
      KernelLibrary library = opened.add(KernelLibrary.open(context, kernels));
      queue = opened.add(new KernelQueue(context, library, memory, stream));
      origin = opened.add(new TokenOrigin(queue));
      RotaryTables rotary = opened.add(new RotaryTables(queue));
      DoubleSums doubleSums = new DoubleSums(queue);
      PartialSums partialSums = new PartialSums(queue);
      elementwise = new CudaElementwiseOps(queue, origin, doubleSums);
      CublasLtGemm cublas =
          CublasLtGemm.open(queue, settings.cublas()).map(opened::add).orElse(null);
      boolean timed = settings.cublas() == CublasUse.TIMED;
      matmul = new CudaMatmulOps(queue, partialSums, cublas, timed);
      embedding = new CudaEmbeddingOps(queue, rotary);
      norm = new CudaNormOps(queue, partialSums);
      activation = new CudaActivationOps(queue);
      attention = new CudaAttentionOps(queue, origin);
      loss = new CudaLossOps(queue, doubleSums);
      routing = new CudaRoutingOps(queue, origin);
      optimizer = opened.add(new CudaOptimizerOps(queue));
      sparse = new CudaSparseOps(queue, matmul, settings.sparse());
      groupedSparse = new CudaGroupedSparseOps(queue, matmul, sparse);
      conv = new CudaConvOps(queue, partialSums, matmul);
      batchNorm = new CudaBatchNormOps(queue);
      hostThreads = opened.add(new HostPool(threads));
      opened.add(stream::synchronizeSync); // closed first: nothing queued outlives its memory
    } catch (RuntimeException | Error failed) {
      opened.closeAfter(failed);
      throw failed;
    }
  }

  @Override
  public HostLoop hostLoop() {
    return hostThreads;
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public String description() {
    return context.device() + ", bf16 with fp32 accumulation, " + matmul.description();
  }

  @Override
  public DType floatType() {
    return DType.F32;
  }

  @Override
  public DType computeType() {
    return DType.BF16;
  }

  @Override
  public int columnMultiple() {
    return COLUMN_MULTIPLE;
  }

  @Override
  public Tensor allocate(DType dtype, Shape shape) {
    long bytes = Math.multiplyExact(shape.size(), (long) dtype.bytes());
    long address = memory.allocate(bytes, dtype.name().toLowerCase(Locale.ROOT), shape);
    if (bytes > 0) {
      stream.zero(address, bytes);
    }
    DeviceStorage storage = new DeviceStorage(dtype, shape.size(), address);
    owned.add(storage);
    allocatedBytes += bytes;
    return new Tensor(storage, 0, shape);
  }

  @Override
  public void free(Tensor tensor) {
    boolean whole = tensor.offset() == 0 && tensor.size() == tensor.storage().length();
    if (!whole || !owned.remove(tensor.storage())) {
      throw new IllegalArgumentException(
          "free: expected a tensor that this backend allocated and still owns, got "
              + (whole ? "another one, " : "a view, ")
              + tensor);
    }
    memory.free(DeviceStorage.address(tensor));
    allocatedBytes -= tensor.bytes();
  }

  @Override
  public long allocatedBytes() {
    return allocatedBytes;
  }

  @Override
  public void upload(float[] host, int hostOffset, Tensor destination) {
    queue.staging().upload(host, hostOffset, destination);
  }

  @Override
  public void upload(int[] host, int hostOffset, Tensor destination) {
    stage(IntBuffer.wrap(host), hostOffset, destination);
  }

  @Override
  public void upload(HostInts host, Tensor destination) {
    if (uploads.gave(host)) {
      Doors.requireType("upload", destination, DType.I32);
      queue.staging().requireNotRecording("it uploads");
      uploads.upload(host, DeviceStorage.address(destination), destination.bytes());
    } else {
      stage(host.values(), 0, destination);
    }
  }

  @Override
  public HostInts hostInts(int count) {
    return uploads.allocate(count);
  }

  private void stage(IntBuffer host, int offset, Tensor destination) {
    Doors.requireType("upload", destination, DType.I32);
    queue
        .staging()
        .upload(
            (out, first, count) -> out.asIntBuffer().put(0, host, offset + first, count),
            Math.toIntExact(destination.size()),
            Integer.BYTES,
            DeviceStorage.address(destination));
  }

  @Override
  public void downloadSync(Tensor source, float[] host, int hostOffset) {
    queue.staging().downloadSync(source, host, hostOffset);
  }

  @Override
  public void downloadSync(Tensor source, double[] host, int hostOffset) {
    Doors.requireType("download", source, DType.F64);
    queue
        .staging()
        .downloadSync(
            DeviceStorage.address(source),
            Math.toIntExact(source.size()),
            Double.BYTES,
            (in, first, count) -> in.asDoubleBuffer().get(host, hostOffset + first, count));
  }

  @Override
  public void downloadSync(Tensor source, int[] host, int hostOffset) {
    Doors.requireType("download", source, DType.I32);
    queue
        .staging()
        .downloadSync(
            DeviceStorage.address(source),
            Math.toIntExact(source.size()),
            Integer.BYTES,
            (in, first, count) -> in.asIntBuffer().get(host, hostOffset + first, count));
  }

  @Override
  public void synchronize() {
    stream.synchronizeSync();
  }

  @Override
  public Recording record(String name, LongConsumer work) {
    return settings.graphs()
        ? opened.add(new CudaRecording(queue, origin, name, work))
        : Backend.super.record(name, work);
  }

  @Override
  public HostExchange exchange() {
    return opened.add(new CudaExchange(context, stream));
  }

  @Override
  public DeviceGroups groups() {
    return NcclGroups.of(settings.nccl(), context, stream, opened);
  }

  @Override
  public ElementwiseOps elementwise() {
    return elementwise;
  }

  @Override
  public MatmulOps matmul() {
    return matmul;
  }

  @Override
  public EmbeddingOps embedding() {
    return embedding;
  }

  @Override
  public NormOps norm() {
    return norm;
  }

  @Override
  public ActivationOps activation() {
    return activation;
  }

  @Override
  public AttentionOps attention() {
    return attention;
  }

  @Override
  public LossOps loss() {
    return loss;
  }

  @Override
  public RoutingOps routing() {
    return routing;
  }

  @Override
  public OptimizerOps optimizer() {
    return optimizer;
  }

  @Override
  public SparseOps sparse() {
    return sparse;
  }

  @Override
  public GroupedSparseOps groupedSparse() {
    return groupedSparse;
  }

  @Override
  public ConvOps conv() {
    return conv;
  }

  @Override
  public BatchNormOps batchNorm() {
    return batchNorm;
  }

  /** Waits for all that was queued, frees all memory and gives the GPU back. */
  @Override
  public void close() {
    owned.forEach(storage -> memory.free(((DeviceStorage) storage).address()));
    owned.clear();
    allocatedBytes = 0;
    opened.close();
  }
}
