package dev.sparrow.collective;

import dev.sparrow.tensor.Tensor;

/** The collective of a single rank: no thread, no socket, every sum is its own input. */
public final class LocalCollective implements Collective {
  private volatile boolean closed;

  @Override
  public int rank() {
    return 0;
  }

  @Override
  public int size() {
    return 1;
  }

  @Override
  public void allReduce(Tensor values) {
    requireOpen();
  }

  @Override
  public void reduceScatter(Tensor values) {
    requireOpen();
  }

  @Override
  public void allGather(Tensor values) {
    requireOpen();
  }

  @Override
  public void allToAll(Tensor send, Tensor receive) {
    requireOpen();
    RingCollective.requireAllToAll(send, receive, 1);
    Elements from = Elements.of(send);
    from.copyTo(0, Elements.of(receive), 0, from.length());
  }

  @Override
  public void broadcast(Tensor values, int root) {
    requireOpen();
    RingCollective.requireRoot(root, 1);
  }

  @Override
  public void allReduce(double[] values) {
    requireOpen();
  }

  @Override
  public byte[] broadcast(byte[] bytes, int root) {
    requireOpen();
    RingCollective.requireRoot(root, 1);
    return bytes.clone();
  }

  @Override
  public void barrier() {
    requireOpen();
  }

  @Override
  public long sentBytes() {
    return 0;
  }

  @Override
  public void close() {
    closed = true;
  }

  private void requireOpen() {
    if (closed) {
      throw new CollectiveException("collective: called after close");
    }
  }
}
