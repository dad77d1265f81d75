package dev.sparrow.collective;

import dev.sparrow.backend.DeviceGroup;
import dev.sparrow.backend.HostExchange;
import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;

/** Devices that cannot reach each other: values travel to the host, round the ring and back. */
final class HostGroup implements DeviceGroup {
  private final Collective ring;
  private final HostExchange exchange;
  private float[] values = {};

  HostGroup(Collective ring, HostExchange exchange) {
    this.ring = ring;
    this.exchange = exchange;
  }

  @Override
  public void mark() {
    exchange.mark();
  }

  @Override
  public void allReduceSync(Tensor tensor) {
    Tensor copy = take(tensor);
    ring.allReduce(copy);
    give(tensor);
  }

  @Override
  public void reduceScatterSync(Tensor tensor) {
    Tensor copy = take(tensor);
    ring.reduceScatter(copy);
    give(tensor);
  }

  @Override
  public void allGatherSync(Tensor tensor) {
    Tensor copy = take(tensor);
    ring.allGather(copy);
    give(tensor);
  }

  @Override
  public void allToAllSync(Tensor send, Tensor receive) {
    float[] sent = new float[Math.toIntExact(send.size())];
    float[] received = new float[Math.toIntExact(receive.size())];
    exchange.takeSync(send, sent, 0);
    ring.allToAll(HeapStorage.wrap(sent, sent.length), HeapStorage.wrap(received, received.length));
    exchange.giveSync(received, 0, receive);
  }

  @Override
  public void broadcastSync(Tensor tensor, int root) {
    Tensor copy = take(tensor);
    ring.broadcast(copy, root);
    give(tensor);
  }

  /** The tensor's values in a host tensor that the next call uses again. */
  private Tensor take(Tensor tensor) {
    int size = Math.toIntExact(tensor.size());
    if (values.length < size) {
      values = new float[size];
    }
    exchange.takeSync(tensor, values, 0);
    return HeapStorage.wrap(values, values.length).first(size);
  }

  private void give(Tensor tensor) {
    exchange.giveSync(values, 0, tensor);
  }

  /** The ring lets its callers go when it is closed. */
  @Override
  public void release() {}

  @Override
  public void close() {
    exchange.close();
  }
}
