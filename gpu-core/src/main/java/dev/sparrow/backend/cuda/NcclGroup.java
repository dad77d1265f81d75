package dev.sparrow.backend.cuda;

import dev.sparrow.backend.DeviceGroup;
import dev.sparrow.backend.Peers;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.function.IntSupplier;

/**
 * Ranks' GPUs joined by NCCL, on a stream of their own, so that gradients travel while the compute
 * stream goes on. Sums of fp32 are fp32; those of bf16 are rounded at each step of NCCL's way round
 * the ranks. The order of a sum is NCCL's choice, which follows from its version, the size, and how
 * the GPUs are linked; two ranks have but one.
 *
 * <p>Sizes are not compared between ranks: where they differ, NCCL hangs until the limit, or worse.
 */
final class NcclGroup implements DeviceGroup {
  private final Nccl nccl;
  private final CudaContext context;
  private final Stream compute;
  private final Opened opened = new Opened();
  private final Stream stream;
  private final Event marked;
  private final NcclCommunicator ranks;
  private final int rank;
  private final int size;
  private Thread attached = Thread.currentThread();

  /**
   * Joins the other ranks.
   *
   * @param compute the stream whose work {@link #mark} marks
   * @param id of rank 0, see {@link Nccl#uniqueId}
   */
  NcclGroup(Nccl nccl, CudaContext context, Stream compute, byte[] id, Peers peers) {
    this.nccl = nccl;
    this.context = context;
    this.compute = compute;
    this.rank = peers.rank();
    this.size = peers.size();
    try {
      stream = opened.add(Stream.collective(context));
      marked = opened.add(Event.ordering());
      ranks = opened.add(NcclCommunicator.join(nccl, context, id, peers));
    } catch (RuntimeException | Error failed) {
      opened.closeAfter(failed);
      throw failed;
    }
  }

  @Override
  public void mark() {
    compute.record(marked);
  }

  @Override
  public void allReduceSync(Tensor values) {
    Part all = Part.of(values);
    run(
        "allReduce",
        values,
        () -> nccl.allReduce(all.address, all.count, all.type, ranks.handle(), stream.address()));
  }

  /** In one call where parts are equal, else a sum for each part. */
  @Override
  public void reduceScatterSync(Tensor values) {
    if (values.size() % size == 0) {
      Part own = Part.of(values, rank, size);
      long all = DeviceStorage.address(values);
      run(
          "reduceScatter",
          values,
          () ->
              nccl.reduceScatter(
                  all, own.address, own.count, own.type, ranks.handle(), stream.address()));
      return;
    }
    IntSupplier[] sums = new IntSupplier[size];
    for (int root = 0; root < size; root++) {
      int to = root;
      Part part = Part.of(values, root, size);
      sums[root] =
          () ->
              nccl.reduce(
                  part.address, part.count, part.type, to, ranks.handle(), stream.address());
    }
    run("reduceScatter", values, sums);
  }

  /** In one call where parts are equal, else a broadcast for each part. */
  @Override
  public void allGatherSync(Tensor values) {
    if (values.size() % size == 0) {
      Part own = Part.of(values, rank, size);
      long all = DeviceStorage.address(values);
      run(
          "allGather",
          values,
          () ->
              nccl.allGather(
                  own.address, all, own.count, own.type, ranks.handle(), stream.address()));
      return;
    }
    IntSupplier[] broadcasts = new IntSupplier[size];
    for (int root = 0; root < size; root++) {
      broadcasts[root] = broadcast(Part.of(values, root, size), root);
    }
    run("allGather", values, broadcasts);
  }

  @Override
  public void allToAllSync(Tensor send, Tensor receive) {
    IntSupplier[] exchanges = new IntSupplier[2 * size];
    for (int other = 0; other < size; other++) {
      int peer = other;
      Part to = Part.of(send, peer, size);
      Part from = Part.of(receive, peer, size);
      exchanges[2 * peer] =
          () -> nccl.send(to.address, to.count, to.type, peer, ranks.handle(), stream.address());
      exchanges[2 * peer + 1] =
          () ->
              nccl.receive(
                  from.address, from.count, from.type, peer, ranks.handle(), stream.address());
    }
    run("allToAll", send, exchanges);
  }

  @Override
  public void broadcastSync(Tensor values, int root) {
    run("broadcast", values, broadcast(Part.of(values), root));
  }

  private IntSupplier broadcast(Part part, int root) {
    return () ->
        nccl.broadcast(part.address, part.count, part.type, root, ranks.handle(), stream.address());
  }

  /** A range of a float tensor. */
  private record Part(long address, long count, DType type) {
    static Part of(Tensor tensor) {
      return new Part(DeviceStorage.address(tensor), tensor.size(), tensor.dtype());
    }

    /** The part that {@code Collective.partStart} tells. */
    static Part of(Tensor tensor, int part, int size) {
      long start = start(tensor.size(), part, size);
      return new Part(
          DeviceStorage.address(tensor) + start * tensor.dtype().bytes(),
          start(tensor.size(), part + 1, size) - start,
          tensor.dtype());
    }

    private static long start(long length, int part, int size) {
      return length / size * part + Math.min(part, length % size);
    }
  }

  /** Queues the calls as one after what was marked, and returns when the device is through. */
  private void run(String op, Tensor values, IntSupplier... calls) {
    String words = op + " of " + values;
    ranks.requireUsable(words);
    if (values.size() == 0) {
      return;
    }
    attach();
    ranks.run(
        words,
        () -> {
          stream.await(marked);
          queue(words, calls);
        },
        stream);
  }

  private void attach() {
    if (attached != Thread.currentThread()) {
      context.attach();
      attached = Thread.currentThread();
    }
  }

  private void queue(String words, IntSupplier[] calls) {
    if (calls.length == 1) {
      ranks.check(words, calls[0].getAsInt());
      return;
    }
    ranks.check(words, nccl.groupStart());
    int result = Nccl.SUCCESS;
    for (int i = 0; i < calls.length && NcclCommunicator.isFine(result); i++) {
      result = calls[i].getAsInt();
    }
    int end = nccl.groupEnd(); // also after a failure, or this thread's next call would join in
    ranks.check(words, NcclCommunicator.isFine(result) ? end : result);
  }

  @Override
  public void release() {
    ranks.release();
  }

  /** Takes leave of the other ranks and frees what the group holds. */
  @Override
  public void close() {
    opened.close();
  }
}
