package dev.sparrow.backend;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;

/**
 * A device: memory, copies and op families. Opened and closed by the thread that trains; closing
 * frees all that was allocated.
 */
public interface Backend extends AutoCloseable {
  /** Short name for logs and summaries, such as {@code cpu}. */
  String name();

  /** The device in words: model, threads, library in use. */
  String description();

  /**
   * The dtype of parameters, their gradients, optimizer state, statistics, losses and routers: F32,
   * or F64 in the double oracle.
   */
  DType floatType();

  /**
   * The dtype of activations and of the weights that products read: BF16 on a GPU, elsewhere {@link
   * #floatType}.
   */
  default DType computeType() {
    return floatType();
  }

  /**
   * Columns that are a multiple of this are moved and multiplied fastest; 1 where it matters
   * little. A model pads what it can choose freely, such as the classes of its head.
   */
  default int columnMultiple() {
    return 1;
  }

  /** A zeroed tensor, owned by the caller until {@link #free} or close. */
  Tensor allocate(DType dtype, Shape shape);

  /** A zeroed float tensor of {@link #floatType}. */
  default Tensor allocate(int... dims) {
    return allocate(floatType(), Shape.of(dims));
  }

  /** Gives back a tensor that {@link #allocate} returned; a view is refused. */
  void free(Tensor tensor);

  /** Bytes allocated now. */
  long allocatedBytes();

  /** Host values into a float tensor, converted to its dtype. */
  void upload(float[] host, int hostOffset, Tensor destination);

  /** Host values into an I32 tensor. */
  void upload(int[] host, int hostOffset, Tensor destination);

  /** A float tensor's values to the host; returns when they are there. */
  void downloadSync(Tensor source, float[] host, int hostOffset);

  /** An I32 tensor's values to the host; returns when they are there. */
  void downloadSync(Tensor source, int[] host, int hostOffset);

  /** Waits for all ops called so far. */
  void synchronize();

  /** Copies, fills, sums. */
  ElementwiseOps elementwise();

  MatmulOps matmul();

  EmbeddingOps embedding();

  NormOps norm();

  ActivationOps activation();

  AttentionOps attention();

  LossOps loss();

  RoutingOps routing();

  OptimizerOps optimizer();

  @Override
  void close();
}
