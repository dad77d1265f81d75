package dev.sparrow.backend;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.HostInts;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Storage;
import dev.sparrow.tensor.Tensor;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/**
 * The double oracle: every op as the plainest loops that its Javadoc's equations allow, in double
 * and on one thread. Other backends are compared with it, and layers are checked on it by {@link
 * FiniteDifferences}. Slow on purpose; meant for small sizes.
 */
public final class ReferenceBackend implements Backend {
  private final Set<Storage> live = Collections.newSetFromMap(new IdentityHashMap<>());
  private final ElementwiseOps elementwise = new ReferenceElementwiseOps();
  private final MatmulOps matmul = new ReferenceMatmulOps();
  private final EmbeddingOps embedding = new ReferenceEmbeddingOps();
  private final NormOps norm = new ReferenceNormOps();
  private final ActivationOps activation = new ReferenceActivationOps();
  private final AttentionOps attention = new ReferenceAttentionOps();
  private final LossOps loss = new ReferenceLossOps();
  private final RoutingOps routing = new ReferenceRoutingOps();
  private final OptimizerOps optimizer = new ReferenceOptimizerOps();
  private final SparseOps sparse = new ReferenceSparseOps();
  private final GroupedSparseOps groupedSparse = new ReferenceGroupedSparseOps(sparse);
  private final ConvOps conv = new ReferenceConvOps();
  private final BatchNormOps batchNorm = new ReferenceBatchNormOps();

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public String description() {
    return "double oracle, plain loops, one thread";
  }

  @Override
  public DType floatType() {
    return DType.F64;
  }

  @Override
  public Tensor allocate(DType dtype, Shape shape) {
    if (dtype != DType.F64 && dtype != DType.I32) {
      throw new IllegalArgumentException(
          "allocate: expected F64 or I32 in the double oracle, got "
              + dtype
              + "; ask for floatType()");
    }
    Storage storage = HeapStorage.allocate(dtype, shape.size());
    live.add(storage);
    return new Tensor(storage, 0, shape);
  }

  @Override
  public void free(Tensor tensor) {
    boolean whole = tensor.offset() == 0 && tensor.size() == tensor.storage().length();
    if (!whole || !live.remove(tensor.storage())) {
      throw new IllegalArgumentException(
          "free: expected a whole tensor that allocate returned, got a view or freed " + tensor);
    }
  }

  @Override
  public long allocatedBytes() {
    return live.stream().mapToLong(storage -> storage.length() * storage.dtype().bytes()).sum();
  }

  @Override
  public void upload(float[] host, int hostOffset, Tensor destination) {
    Doubles to = Doubles.of(destination);
    for (int i = 0; i < destination.size(); i++) {
      to.set(i, host[hostOffset + i]);
    }
  }

  /** Host values into a float tensor, exactly. */
  public void upload(double[] host, int hostOffset, Tensor destination) {
    Doubles to = Doubles.of(destination);
    for (int i = 0; i < destination.size(); i++) {
      to.set(i, host[hostOffset + i]);
    }
  }

  @Override
  public void upload(int[] host, int hostOffset, Tensor destination) {
    Ints to = Ints.of(destination);
    for (int i = 0; i < destination.size(); i++) {
      to.set(i, host[hostOffset + i]);
    }
  }

  @Override
  public void upload(HostInts host, Tensor destination) {
    for (int i = 0; i < destination.size(); i++) {
      Ints.of(destination).set(i, host.values().get(i));
    }
  }

  @Override
  public void downloadSync(Tensor source, float[] host, int hostOffset) {
    Doubles from = Doubles.of(source);
    for (int i = 0; i < source.size(); i++) {
      host[hostOffset + i] = (float) from.get(i);
    }
  }

  /** A float tensor's values to the host, exactly. */
  @Override
  public void downloadSync(Tensor source, double[] host, int hostOffset) {
    Doubles from = Doubles.of(source);
    for (int i = 0; i < source.size(); i++) {
      host[hostOffset + i] = from.get(i);
    }
  }

  @Override
  public void downloadSync(Tensor source, int[] host, int hostOffset) {
    Ints from = Ints.of(source);
    for (int i = 0; i < source.size(); i++) {
      host[hostOffset + i] = from.get(i);
    }
  }

  /** A float tensor's values as a new array. */
  public double[] download(Tensor source) {
    double[] values = new double[Math.toIntExact(source.size())];
    downloadSync(source, values, 0);
    return values;
  }

  /** A new tensor of the given values. */
  public Tensor tensor(double[] values, int... dims) {
    Tensor tensor = allocate(dims);
    upload(values, 0, tensor);
    return tensor;
  }

  /** A new I32 tensor of the given values. */
  public Tensor tensor(int[] values, int... dims) {
    Tensor tensor = allocate(DType.I32, Shape.of(dims));
    upload(values, 0, tensor);
    return tensor;
  }

  @Override
  public void synchronize() {
    // Every op is done when it returns.
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
    live.clear();
  }
}
