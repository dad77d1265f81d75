package dev.sparrow.backend;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.HostInts;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.function.LongConsumer;

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

  /** Host values into a float tensor, converted to its dtype; like all of arrays, taken at once. */
  void upload(float[] host, int hostOffset, Tensor destination);

  /** Host values into an I32 tensor. */
  void upload(int[] host, int hostOffset, Tensor destination);

  /**
   * Ints' first values into an I32 tensor, for the ops called from here on. Taken at once, or where
   * {@link #hostInts} of this backend gave them, by the time {@link HostInts#awaitTakenSync}
   * returns.
   */
  void upload(HostInts host, Tensor destination);

  /**
   * Host memory that an upload takes without another copy on the host; at least one int, contents
   * undefined. The caller closes it, or else the backend.
   */
  default HostInts hostInts(int count) {
    return HostInts.onHeap(count);
  }

  /** A float tensor's values to the host; returns when they are there. */
  void downloadSync(Tensor source, float[] host, int hostOffset);

  /** An F64 tensor's values to the host; returns when they are there. */
  void downloadSync(Tensor source, double[] host, int hostOffset);

  /** An I32 tensor's values to the host; returns when they are there. */
  void downloadSync(Tensor source, int[] host, int hostOffset);

  /** Waits for all ops called so far. */
  void synchronize();

  /**
   * Work that calls ops on fixed tensors and is called again and again. A device may record its
   * launches once and replay them, which frees the host from calling each. So the work waits for
   * nothing and decides nothing by values; what it does on the host besides, such as remembering
   * which tensor came in, may happen once or each time. The backend closes what is still open.
   *
   * @param name for messages
   * @param work given the batch's first token, see {@link Recording#run}
   */
  default Recording record(String name, LongConsumer work) {
    return new Recording() {
      @Override
      public void run(long firstToken) {
        work.accept(firstToken);
      }

      @Override
      public void close() {
        // Nothing is held.
      }
    };
  }

  /**
   * A way for another thread to read and write float tensors beside the ops; null where tensors are
   * host memory already.
   */
  default HostExchange exchange() {
    return null;
  }

  /** Loops for work on the host between ops, on the rank's own threads. */
  default HostLoop hostLoop() {
    return HostLoop.INLINE;
  }

  /** How this device joins those of other ranks; null where it cannot, or is not meant to. */
  default DeviceGroups groups() {
    return null;
  }

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

  SparseOps sparse();

  GroupedSparseOps groupedSparse();

  /** Convolutions and pooling. */
  ConvOps conv();

  BatchNormOps batchNorm();

  @Override
  void close();
}
