package dev.sparrow.collective;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.DeviceGroup;
import dev.sparrow.backend.DeviceGroupException;
import dev.sparrow.backend.HostExchange;
import dev.sparrow.tensor.Tensor;

/**
 * The collective for tensors of a device that the ring cannot read: they go from device to device
 * where all ranks' devices can, else through the host; numbers and bytes of the host go round the
 * ring as ever. Made on the backend's thread; where a call comes from another one, it sees the ops
 * that were called before the last {@link #mark}.
 */
public final class DeviceCollective implements Collective {
  private final Collective host;
  private final DeviceGroup devices;
  private final Thread owner = Thread.currentThread();

  private DeviceCollective(Collective host, DeviceGroup devices) {
    this.host = host;
    this.devices = devices;
  }

  /**
   * The collective for a backend's tensors: {@code host} itself where it can read them or is alone.
   * Every rank calls this at the same point of its calls, because all of them agree on the way.
   * What it holds of the device is closed with the backend, the host's collective by the caller.
   *
   * @throws CollectiveException where a rank's settings demand that devices reach each other, and
   *     they do not
   */
  public static Collective of(Collective host, Backend backend) {
    if (host.size() == 1) {
      return host;
    }
    DeviceGroup group = new Joining(host, backend.groups()).group();
    if (group != null) {
      return new DeviceCollective(host, group);
    }
    HostExchange exchange = backend.exchange();
    return exchange == null ? host : new DeviceCollective(host, new HostGroup(host, exchange));
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
  public long inactivityMillis() {
    return host.inactivityMillis();
  }

  @Override
  public boolean encrypts() {
    return host.encrypts();
  }

  @Override
  public String lost() {
    return host.lost();
  }

  @Override
  public void mark() {
    devices.mark();
  }

  @Override
  public void allReduce(Tensor tensor) {
    run(() -> devices.allReduceSync(tensor));
  }

  @Override
  public void reduceScatter(Tensor tensor) {
    run(() -> devices.reduceScatterSync(tensor));
  }

  @Override
  public void allGather(Tensor tensor) {
    run(() -> devices.allGatherSync(tensor));
  }

  @Override
  public void allToAll(Tensor send, Tensor receive) {
    RingCollective.requireAllToAll(send, receive, size());
    run(() -> devices.allToAllSync(send, receive));
  }

  @Override
  public void broadcast(Tensor tensor, int root) {
    RingCollective.requireRoot(root, size());
    run(() -> devices.broadcastSync(tensor, root));
  }

  private void run(Runnable call) {
    if (Thread.currentThread() == owner) {
      devices.mark();
    }
    try {
      call.run();
    } catch (DeviceGroupException broken) {
      throw new CollectiveException(broken.getMessage(), broken);
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

  /** Of the ring: what devices send each other is not counted. */
  @Override
  public long sentBytes() {
    return host.sentBytes();
  }

  @Override
  public void close() {
    devices.release();
    host.close();
  }
}
