package dev.sparrow.collective;

import dev.sparrow.backend.DeviceGroup;
import dev.sparrow.backend.DeviceGroupException;
import dev.sparrow.backend.DeviceGroups;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How ranks find out, over the ring, whether all of their devices reach each other. They vote
 * before they join, so that none waits for one that cannot, and after it, so that all go the same
 * way.
 */
final class Joining {
  private static final Logger LOG = LoggerFactory.getLogger(Joining.class);
  private static final byte[] NO_ID = {};

  private final Collective host;
  private final DeviceGroups own;
  private String obstacle;

  /**
   * @param own null where this rank's device cannot join others
   */
  Joining(Collective host, DeviceGroups own) {
    this.host = host;
    this.own = own;
    if (own == null) {
      obstacle = "this rank's device cannot, or is not meant to";
    } else if (!mayJoin()) {
      obstacle = "ranks' traffic is to be encrypted, which " + own.description() + " does not do";
    }
  }

  /**
   * The group of all ranks' devices; null where the host is the way.
   *
   * @throws CollectiveException where a rank's settings forbid that
   */
  DeviceGroup group() {
    Vote able = vote(mayJoin());
    if (!able.unanimous()) {
      return throughTheHost(able, "can reach the others");
    }
    DeviceGroup group = tryJoin(id());
    Vote joined = vote(group != null);
    if (joined.unanimous()) {
      LOG.info("tensors of {} ranks go from device to device: {}", host.size(), own.description());
      return group;
    }
    if (group != null) {
      group.release();
      group.close();
    }
    return throughTheHost(joined, "joined the others");
  }

  /** Who demands the devices' way takes it as it is, open to whoever reads the network. */
  private boolean mayJoin() {
    return own != null && (!host.encrypts() || !demand().isEmpty());
  }

  /**
   * What all ranks together have answered.
   *
   * @param yes how many of them did
   * @param demands how many may not go through the host
   */
  private record Vote(int yes, int demands, int ranks) {
    boolean unanimous() {
      return yes == ranks;
    }
  }

  private Vote vote(boolean yes) {
    double[] sums = {yes ? 1 : 0, demand().isEmpty() ? 0 : 1};
    host.allReduce(sums);
    return new Vote((int) sums[0], (int) sums[1], host.size());
  }

  /** The setting of this rank that forbids the host; empty for none. */
  private String demand() {
    return own == null ? "" : own.demandedBy();
  }

  /** Rank 0's, to all; empty where it got none. */
  private byte[] id() {
    return host.broadcast(host.rank() == 0 ? ownId() : null, 0);
  }

  private byte[] ownId() {
    try {
      return own.id();
    } catch (DeviceGroupException failed) {
      obstacle = failed.getMessage();
      return NO_ID;
    }
  }

  private DeviceGroup tryJoin(byte[] id) {
    if (id.length == 0) {
      return null;
    }
    try {
      return own.join(id, host);
    } catch (DeviceGroupException failed) {
      obstacle = failed.getMessage();
      return null;
    }
  }

  private DeviceGroup throughTheHost(Vote vote, String done) {
    String what =
        "%d of %d ranks' devices %s; %s"
            .formatted(
                vote.yes,
                vote.ranks,
                done,
                obstacle == null ? "the other ranks' logs say why not" : obstacle);
    if (vote.demands > 0) {
      throw new CollectiveException(
          demand()
              + ": expected devices to reach each other, but "
              + what
              + "; give all ranks the same libraries and a device each, or let tensors go through"
              + " the host");
    }
    if (own != null || vote.yes > 0) {
      LOG.warn("tensors go through the host: {}", what);
    }
    return null;
  }
}
