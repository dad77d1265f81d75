package dev.sparrow.model;

import dev.sparrow.backend.ActivationOps;
import dev.sparrow.backend.AttentionOps;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.BatchNormOps;
import dev.sparrow.backend.ConvOps;
import dev.sparrow.backend.ElementwiseOps;
import dev.sparrow.backend.EmbeddingOps;
import dev.sparrow.backend.GroupedSparseOps;
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
import java.lang.reflect.Proxy;

/**
 * Hands out tensors without memory and runs nothing: a model built on it tells what it would take.
 * Uploads and ops that layers call while they reserve are let pass; what one would wait for is 0.
 */
final class SizeOnlyBackend implements Backend {
  private final ModelSummary.Device device;
  private long allocatedBytes;

  private record NoMemory(DType dtype, long length) implements Storage {}

  /**
   * @param device that the model is meant for
   */
  SizeOnlyBackend(ModelSummary.Device device) {
    this.device = device;
  }

  @Override
  public String name() {
    return "size-only";
  }

  @Override
  public String description() {
    return "no device; counts bytes";
  }

  @Override
  public DType floatType() {
    return DType.F32;
  }

  @Override
  public DType computeType() {
    return device.computeType();
  }

  @Override
  public int columnMultiple() {
    return device.columnMultiple();
  }

  @Override
  public Tensor allocate(DType dtype, Shape shape) {
    Tensor tensor = new Tensor(new NoMemory(dtype, shape.size()), 0, shape);
    allocatedBytes += tensor.bytes();
    return tensor;
  }

  @Override
  public void free(Tensor tensor) {
    allocatedBytes -= tensor.bytes();
  }

  @Override
  public long allocatedBytes() {
    return allocatedBytes;
  }

  @Override
  public void upload(float[] host, int hostOffset, Tensor destination) {
    // There is nowhere to put the values.
  }

  @Override
  public void upload(int[] host, int hostOffset, Tensor destination) {
    // There is nowhere to put the values.
  }

  @Override
  public void upload(HostInts host, Tensor destination) {
    // There is nowhere to put the values.
  }

  @Override
  public void downloadSync(Tensor source, float[] host, int hostOffset) {
    throw new UnsupportedOperationException("downloadSync: a size-only backend holds no values");
  }

  @Override
  public void downloadSync(Tensor source, double[] host, int hostOffset) {
    throw new UnsupportedOperationException("downloadSync: a size-only backend holds no values");
  }

  @Override
  public void downloadSync(Tensor source, int[] host, int hostOffset) {
    throw new UnsupportedOperationException("downloadSync: a size-only backend holds no values");
  }

  @Override
  public void synchronize() {
    // Nothing ever runs.
  }

  @Override
  public ElementwiseOps elementwise() {
    return idle(ElementwiseOps.class);
  }

  @Override
  public MatmulOps matmul() {
    return idle(MatmulOps.class);
  }

  @Override
  public EmbeddingOps embedding() {
    return idle(EmbeddingOps.class);
  }

  @Override
  public NormOps norm() {
    return idle(NormOps.class);
  }

  @Override
  public ActivationOps activation() {
    return idle(ActivationOps.class);
  }

  @Override
  public AttentionOps attention() {
    return idle(AttentionOps.class);
  }

  @Override
  public LossOps loss() {
    return idle(LossOps.class);
  }

  @Override
  public RoutingOps routing() {
    return idle(RoutingOps.class);
  }

  @Override
  public OptimizerOps optimizer() {
    return idle(OptimizerOps.class);
  }

  @Override
  public SparseOps sparse() {
    return idle(SparseOps.class);
  }

  @Override
  public GroupedSparseOps groupedSparse() {
    return idle(GroupedSparseOps.class);
  }

  @Override
  public ConvOps conv() {
    return idle(ConvOps.class);
  }

  @Override
  public BatchNormOps batchNorm() {
    return idle(BatchNormOps.class);
  }

  @Override
  public void close() {
    // Nothing is held.
  }

  /** Ops that do nothing: most return void, those that return a sum say 0. */
  private static <T> T idle(Class<T> family) {
    Object ops =
        Proxy.newProxyInstance(
            family.getClassLoader(),
            new Class<?>[] {family},
            (proxy, method, arguments) -> method.getReturnType() == double.class ? 0.0 : null);
    return family.cast(ops);
  }
}
