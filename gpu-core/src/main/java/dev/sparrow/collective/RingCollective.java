package dev.sparrow.collective;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.collective.CallHeader.Op;
import dev.sparrow.collective.Transfer.Segment;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import io.netty.channel.EventLoopGroup;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The ranks in a ring over TCP: each sends to the rank after it and receives from the one before.
 * Made by {@link RingEndpoint#connect}. Tensors live in CPU memory and are F32, F64 or I32; U8 and
 * BF16 are refused.
 *
 * <p>Bytes that each rank sends, for n ranks and S bytes: allReduce 2 S (n - 1) / n, reduceScatter
 * and allGather S (n - 1) / n, broadcast S (but the root's left neighbour nothing), allToAll S (n -
 * 1) / 2, because blocks travel around the ring instead of over connections of their own; that is n
 * / 2 times what direct connections would send, so equal for two ranks. Latency grows with n.
 *
 * <p>The sum of part p of the tensor is ((x[p+1] + x[p+2]) + ...) + x[p], indices modulo n.
 */
final class RingCollective implements Collective {
  private static final long SHUTDOWN_SECONDS = 5;

  private final Membership self;
  private final RingEngine engine;
  private final EventLoopGroup group;
  private final RingPlan plan;
  private final AtomicBoolean closed = new AtomicBoolean();
  private final DoubleElements token = new DoubleElements(new double[1], 0, 1);

  /** Blocks on their way to others in allToAll; grown on demand, kept. */
  private final Tensor[] transit = new Tensor[2];

  private long calls;

  /**
   * @param group the loop that {@code engine} runs on; this collective stops it
   */
  RingCollective(Membership self, RingEngine engine, EventLoopGroup group) {
    this.self = self;
    this.engine = engine;
    this.group = group;
    this.plan = new RingPlan(self.rank(), self.size());
  }

  @Override
  public int rank() {
    return self.rank();
  }

  @Override
  public int size() {
    return self.size();
  }

  @Override
  public long inactivityMillis() {
    return engine.inactivityMillis();
  }

  @Override
  public boolean encrypts() {
    return engine.encrypts();
  }

  @Override
  public String lost() {
    return engine.lost();
  }

  @Override
  public void allReduce(Tensor values) {
    Elements elements = Elements.of(values);
    engine.run(plan.allReduce(header(Op.ALL_REDUCE, elements, 0), elements));
  }

  @Override
  public void reduceScatter(Tensor values) {
    Elements elements = Elements.of(values);
    engine.run(plan.reduceScatter(header(Op.REDUCE_SCATTER, elements, 0), elements));
  }

  @Override
  public void allGather(Tensor values) {
    Elements elements = Elements.of(values);
    engine.run(plan.allGather(header(Op.ALL_GATHER, elements, 0), elements));
  }

  @Override
  public void broadcast(Tensor values, int root) {
    requireRoot(root, size());
    broadcast(Elements.of(values), root);
  }

  private void broadcast(Elements elements, int root) {
    engine.run(plan.broadcast(header(Op.BROADCAST, elements, root), elements));
  }

  @Override
  public void allReduce(double[] values) {
    Elements elements = new DoubleElements(values, 0, values.length);
    engine.run(plan.allReduce(header(Op.ALL_REDUCE, elements, 0), elements));
  }

  @Override
  public byte[] broadcast(byte[] bytes, int root) {
    requireRoot(root, size());
    boolean isRoot = rank() == root;
    int[] length = {isRoot ? bytes.length : 0};
    broadcast(new IntElements(length, 0, 1), root);
    byte[] all = isRoot ? bytes.clone() : new byte[length[0]];
    broadcast(new ByteElements(all), root);
    return all;
  }

  @Override
  public void barrier() {
    engine.run(plan.allReduce(header(Op.BARRIER, token, 0), token));
  }

  /**
   * In step s = 1 .. n - 1 each rank sends n - s blocks, for the ranks after it in their order; of
   * the n - s that arrive, sent s ranks back, the first is its own and the others go on in the next
   * step.
   */
  @Override
  public void allToAll(Tensor send, Tensor receive) {
    requireAllToAll(send, receive, size());
    Elements from = Elements.of(send);
    Elements to = Elements.of(receive);
    int block = from.length() / size();
    from.copyTo(rank() * block, to, rank() * block, block);
    for (int step = 1; step < size(); step++) {
      CallHeader header = header(Op.ALL_TO_ALL, from, step);
      engine.run(
          new Transfer(header, from.unit(), sends(step, send, from), receives(step, receive, to)));
    }
  }

  private Segment[] sends(int step, Tensor send, Elements from) {
    int block = from.length() / size();
    if (step > 1) {
      Elements passing = transit(step - 1, send);
      return new Segment[] {segment(passing, 0, (size() - step) * block)};
    }
    Segment[] own = new Segment[size() - 1];
    for (int distance = 1; distance < size(); distance++) {
      own[distance - 1] = segment(from, (rank() + distance) % size() * block, block);
    }
    return own;
  }

  private Segment[] receives(int step, Tensor receive, Elements to) {
    int block = to.length() / size();
    int from = Math.floorMod(rank() - step, size());
    Segment mine = segment(to, from * block, block);
    int others = (size() - step - 1) * block;
    return others == 0
        ? new Segment[] {mine}
        : new Segment[] {mine, segment(transit(step, receive), 0, others)};
  }

  /** Steps take turns with two buffers: one is sent while the other fills. */
  private Elements transit(int step, Tensor like) {
    int slot = step % 2;
    Tensor have = transit[slot];
    if (have == null || have.dtype() != like.dtype() || have.size() < like.size()) {
      int length = Math.toIntExact(like.size());
      transit[slot] = new Tensor(HeapStorage.allocate(like.dtype(), length), 0, Shape.of(length));
    }
    return Elements.of(transit[slot]);
  }

  private static Segment segment(Elements elements, int at, int length) {
    return new Segment(elements, at, length, Segment.NOW, false);
  }

  private CallHeader header(Op op, Elements elements, int root) {
    return new CallHeader(calls++, op, elements.type(), elements.length(), root);
  }

  @Override
  public long sentBytes() {
    return engine.sentBytes();
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      engine.close();
      group.shutdownGracefully(0, SHUTDOWN_SECONDS, TimeUnit.SECONDS);
    }
    group.terminationFuture().awaitUninterruptibly(SHUTDOWN_SECONDS, TimeUnit.SECONDS);
  }

  static void requireRoot(int root, int size) {
    if (root < 0 || root >= size) {
      throw new IllegalArgumentException("root: expected 0 to " + (size - 1) + ", got " + root);
    }
  }

  static void requireAllToAll(Tensor send, Tensor receive, int size) {
    if (send.dtype() != receive.dtype()
        || send.size() != receive.size()
        || send.size() % size != 0) {
      throw new IllegalArgumentException(
          "allToAll: expected two tensors of one type and size, a multiple of "
              + size
              + " elements, got "
              + send
              + " and "
              + receive);
    }
  }
}
