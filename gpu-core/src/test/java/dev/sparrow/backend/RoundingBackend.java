package dev.sparrow.backend;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.HostInts;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Storage;
import dev.sparrow.tensor.Tensor;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/**
 * An ideal backend that computes in BF16: every op is the oracle's, and what it writes is rounded
 * to its tensor's type, BF16 or F32. It shows that contracts can be kept by such a backend, that
 * they hand each op tensors of the types that are meant for it, and how little their tolerances
 * leave.
 */
final class RoundingBackend implements Backend {
  private final ReferenceBackend oracle = new ReferenceBackend();
  private final Set<Storage> live = Collections.newSetFromMap(new IdentityHashMap<>());
  private final ElementwiseOps elementwise = new RoundingElementwiseOps(oracle.elementwise());
  private final MatmulOps matmul = new RoundingMatmulOps(oracle.matmul());
  private final EmbeddingOps embedding = new RoundingEmbeddingOps(oracle.embedding());
  private final NormOps norm = new RoundingNormOps(oracle.norm());
  private final ActivationOps activation = new RoundingActivationOps(oracle.activation());
  private final AttentionOps attention = new RoundingAttentionOps();
  private final LossOps loss = new RoundingLossOps(oracle.loss());
  private final RoutingOps routing = new RoundingRoutingOps(oracle.routing());
  private final OptimizerOps optimizer = new RoundingOptimizerOps(oracle.optimizer());
  private final SparseOps sparse = new RoundingSparseOps(oracle.sparse());
  private final GroupedSparseOps groupedSparse =
      new RoundingGroupedSparseOps(oracle.groupedSparse());
  private final ConvOps conv = new RoundingConvOps(oracle.conv());
  private final BatchNormOps batchNorm = new RoundingBatchNormOps(oracle.batchNorm());

  @Override
  public String name() {
    return "rounding";
  }

  @Override
  public String description() {
    return "double oracle rounded to bf16 and fp32";
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
  public Tensor allocate(DType dtype, Shape shape) {
    DType held =
        switch (dtype) {
          case F32, BF16, F64 -> DType.F64;
          case I32 -> DType.I32;
          case U8, U16 ->
              throw new IllegalArgumentException(
                  "allocate: expected F32, BF16, F64 or I32, got " + dtype);
        };
    Tensor twin = oracle.allocate(held, Shape.of(Math.toIntExact(shape.size())));
    Storage storage = new RoundedStorage(dtype, twin);
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
    oracle.upload(host, hostOffset, RoundedStorage.twin(destination));
    RoundedStorage.round(destination);
  }

  @Override
  public void upload(int[] host, int hostOffset, Tensor destination) {
    oracle.upload(host, hostOffset, RoundedStorage.ints(destination));
  }

  @Override
  public void upload(HostInts host, Tensor destination) {
    oracle.upload(host, RoundedStorage.ints(destination));
  }

  @Override
  public void downloadSync(Tensor source, float[] host, int hostOffset) {
    oracle.downloadSync(RoundedStorage.twin(source), host, hostOffset);
  }

  @Override
  public void downloadSync(Tensor source, double[] host, int hostOffset) {
    oracle.downloadSync(RoundedStorage.doubles(source), host, hostOffset);
  }

  @Override
  public void downloadSync(Tensor source, int[] host, int hostOffset) {
    oracle.downloadSync(RoundedStorage.ints(source), host, hostOffset);
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
    oracle.close();
  }
}
