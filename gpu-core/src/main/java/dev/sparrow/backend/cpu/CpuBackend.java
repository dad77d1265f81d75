package dev.sparrow.backend.cpu;

import dev.sparrow.backend.ActivationOps;
import dev.sparrow.backend.AttentionOps;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.BatchNormOps;
import dev.sparrow.backend.ConvOps;
import dev.sparrow.backend.ElementwiseOps;
import dev.sparrow.backend.EmbeddingOps;
import dev.sparrow.backend.GroupedSparseOps;
import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.LossOps;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.backend.NormOps;
import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.backend.RoutingOps;
import dev.sparrow.backend.SparseOps;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.HostInts;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Storage;
import dev.sparrow.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The cores of one rank in fp32. Ops return when they are done, so {@link #synchronize} has nothing
 * to wait for. Memory is the Java heap; free and close only let go of it.
 */
public final class CpuBackend implements Backend {
  private static final Path CPU_INFO = Path.of("/proc/cpuinfo");

  private final HostPool pool;
  private final Blas blas;
  private final ElementwiseOps elementwise;
  private final MatmulOps matmul;
  private final EmbeddingOps embedding;
  private final NormOps norm;
  private final ActivationOps activation;
  private final AttentionOps attention;
  private final LossOps loss;
  private final RoutingOps routing;
  private final OptimizerOps optimizer;
  private final SparseOps sparse;
  private final GroupedSparseOps groupedSparse;
  private final ConvOps conv;
  private final BatchNormOps batchNorm;
  private final Set<Storage> owned = Collections.newSetFromMap(new IdentityHashMap<>());
  private long allocatedBytes;
  private boolean closed;

  /**
   * @param threads threads that work on an op, the caller included
   */
  public CpuBackend(int threads) {
    this(threads, Blas.get());
  }

  CpuBackend(int threads, Blas blas) {
    this.pool = new HostPool(threads);
    this.blas = blas;
    this.elementwise = new CpuElementwiseOps(pool);
    this.matmul = new CpuMatmulOps(pool, blas);
    this.embedding = new CpuEmbeddingOps(pool);
    this.norm = new CpuNormOps(pool);
    this.activation = new CpuActivationOps(pool);
    this.attention = new CpuAttentionOps(pool, blas);
    this.loss = new CpuLossOps(pool);
    this.routing = new CpuRoutingOps(pool);
    this.optimizer = new CpuOptimizerOps(pool);
    SparseScratch scratch = new SparseScratch(pool);
    this.sparse = new CpuSparseOps(scratch);
    this.groupedSparse = new CpuGroupedSparseOps(scratch);
    this.conv = new CpuConvOps(pool, blas, matmul);
    this.batchNorm = new CpuBatchNormOps(pool);
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public String description() {
    return processor()
        + ", "
        + pool.threads()
        + (pool.threads() == 1 ? " thread, " : " threads, ")
        + blas.description();
  }

  @Override
  public DType floatType() {
    return DType.F32;
  }

  @Override
  public Tensor allocate(DType dtype, Shape shape) {
    if (closed) {
      throw new IllegalStateException("allocate: expected an open backend, got a closed one");
    }
    HeapStorage storage = HeapStorage.allocate(dtype, shape.size());
    owned.add(storage);
    Tensor tensor = new Tensor(storage, 0, shape);
    allocatedBytes += tensor.bytes();
    return tensor;
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
    allocatedBytes -= tensor.bytes();
  }

  @Override
  public long allocatedBytes() {
    return allocatedBytes;
  }

  @Override
  public void upload(float[] host, int hostOffset, Tensor destination) {
    int size = (int) destination.size();
    int to = HeapStorage.offset(destination);
    if (destination.dtype() == DType.F64) {
      double[] values = HeapStorage.doubles(destination);
      for (int i = 0; i < size; i++) {
        values[to + i] = host[hostOffset + i];
      }
    } else {
      System.arraycopy(host, hostOffset, HeapStorage.floats(destination), to, size);
    }
  }

  @Override
  public void upload(int[] host, int hostOffset, Tensor destination) {
    int[] values = HeapStorage.ints(destination);
    int to = HeapStorage.offset(destination);
    System.arraycopy(host, hostOffset, values, to, (int) destination.size());
  }

  @Override
  public void upload(HostInts host, Tensor destination) {
    int[] values = HeapStorage.ints(destination);
    int to = HeapStorage.offset(destination);
    host.values().get(0, values, to, (int) destination.size());
  }

  @Override
  public void downloadSync(Tensor source, float[] host, int hostOffset) {
    int size = (int) source.size();
    int from = HeapStorage.offset(source);
    if (source.dtype() == DType.F64) {
      double[] values = HeapStorage.doubles(source);
      for (int i = 0; i < size; i++) {
        host[hostOffset + i] = (float) values[from + i];
      }
    } else {
      System.arraycopy(HeapStorage.floats(source), from, host, hostOffset, size);
    }
  }

  @Override
  public void downloadSync(Tensor source, double[] host, int hostOffset) {
    double[] values = HeapStorage.doubles(source);
    System.arraycopy(values, HeapStorage.offset(source), host, hostOffset, (int) source.size());
  }

  @Override
  public void downloadSync(Tensor source, int[] host, int hostOffset) {
    int[] values = HeapStorage.ints(source);
    System.arraycopy(values, HeapStorage.offset(source), host, hostOffset, (int) source.size());
  }

  @Override
  public void synchronize() {}

  @Override
  public HostLoop hostLoop() {
    return pool;
  }

  /** The rank's threads, for measurements that need the same ones. */
  public HostPool pool() {
    return pool;
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

  @Override
  public void close() {
    closed = true;
    owned.clear();
    allocatedBytes = 0;
    pool.close();
  }

  private static String processor() {
    try (Stream<String> lines = Files.lines(CPU_INFO)) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse(System.getProperty("os.arch"));
    } catch (IOException e) {
      return System.getProperty("os.arch"); // not Linux
    }
  }
}
