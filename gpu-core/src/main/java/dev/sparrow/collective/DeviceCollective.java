package dev.sparrow.collective;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.HostExchange;
import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;

/**
 * The ring for tensors of a device that it cannot read: values travel to the host, round the ring
 * and back. Made on the backend's thread; where a call comes from another one, it sees the ops that
 * were called before the last {@link #mark}.
 */
public final class DeviceCollective implements Collective {
  private final Collective host;
  private final HostExchange exchange;
  private final Thread owner = Thread.currentThread();
  private float[] values = {};

  private DeviceCollective(Collective host, HostExchange exchange) {
    this.host = host;
    this.exchange = exchange;
  }

  /**
   * The collective for a backend's tensors: {@code host} itself where it can read them or is alone.
   * Holds nothing that needs closing; the host's stays the caller's.
   */
  public static Collective of(Collective host, Backend backend) {
    HostExchange exchange = host.size() == 1 ? null : backend.exchange();
    return exchange == null ? host : new DeviceCollective(host, exchange);
  }

  @Override
  public int rank() {
    return host.rank();
  }

  @Override
  public int size() {
    return host.size();
  }

  @Override
  public void mark() {
    exchange.mark();
  }

  @Override
  public void allReduce(Tensor tensor) {
    Tensor copy = take(tensor);
    host.allReduce(copy);
    give(tensor);
  }

  @Override
  public void reduceScatter(Tensor tensor) {
    Tensor copy = take(tensor);
    host.reduceScatter(copy);
    give(tensor);
  }

  @Override
  public void allGather(Tensor tensor) {
    Tensor copy = take(tensor);
    host.allGather(copy);
    give(tensor);
  }

  @Override
  public void allToAll(Tensor send, Tensor receive) {
    float[] sent = new float[Math.toIntExact(send.size())];
    float[] received = new float[Math.toIntExact(receive.size())];
    markIfOwner();
    exchange.takeSync(send, sent, 0);
    host.allToAll(HeapStorage.wrap(sent, sent.length), HeapStorage.wrap(received, received.length));
    exchange.giveSync(received, 0, receive);
  }

  @Override
  public void broadcast(Tensor tensor, int root) {
    Tensor copy = take(tensor);
    host.broadcast(copy, root);
    give(tensor);
  }

  /** The tensor's values in a host tensor that the next call uses again. */
  private Tensor take(Tensor tensor) {
    int size = Math.toIntExact(tensor.size());
    if (values.length < size) {
      values = new float[size];
    }
    markIfOwner();
    exchange.takeSync(tensor, values, 0);
    return HeapStorage.wrap(values, values.length).first(size);
  }

  private void give(Tensor tensor) {
    exchange.giveSync(values, 0, tensor);
  }

  private void markIfOwner() {
    if (Thread.currentThread() == owner) {
      exchange.mark();
    }
  }

  @Override
  public void allReduce(double[] sums) {
    host.allReduce(sums);
  }

  @Override
  public byte[] broadcast(byte[] bytes, int root) {
    return host.broadcast(bytes, root);
  }

  @Override
  public void barrier() {
    host.barrier();
  }

  @Override
  public long sentBytes() {
    return host.sentBytes();
  }

  @Override
  public void close() {
    host.close();
  }
}
