package dev.sparrow.spark.cluster;

import dev.sparrow.collective.Collective;
import dev.sparrow.collective.HostAndPort;
import dev.sparrow.collective.LocalCollective;
import dev.sparrow.collective.PortRange;
import dev.sparrow.collective.RingEndpoint;
import dev.sparrow.collective.RingSettings;
import dev.sparrow.config.Cluster;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes a ring of the tasks of a barrier stage: each listens, all learn all addresses by the
 * barrier's allGather, and rank 0 adds a fresh secret. Both travel over Spark's RPC and are as
 * secret as it keeps them.
 */
public final class Rendezvous {
  private static final Logger LOG = LoggerFactory.getLogger(Rendezvous.class);
  private static final int SECRET_BYTES = 32;

  private Rendezvous() {}

  /** Called by every rank of the stage. The caller closes what is returned. */
  public static Collective join(BarrierTaskContext context, String jobId, Cluster cluster) {
    int ranks = context.getTaskInfos().length;
    if (ranks == 1) {
      return new LocalCollective();
    }
    SparkConf conf = SparkEnv.get().conf();
    RingSettings settings =
        RingSettings.defaults()
            .withInactivityMillis(cluster.timeoutSeconds() * 1000L)
            .withEncrypt(encrypts(cluster, conf))
            .withShareMemory(cluster.shareMemory());
    int rank = context.partitionId();
    if (rank == 0 && isOpen(conf)) {
      LOG.warn(
          "spark.authenticate=false: who can read or join Spark's RPC learns the ring's secret; set"
              + " spark.authenticate=true and spark.network.crypto.enabled=true");
    }
    String host = SparkEnv.get().blockManager().blockManagerId().host();
    try (RingEndpoint endpoint = RingEndpoint.bind(host, ports(cluster), settings)) {
      String[] calls = context.allGather(endpoint.address() + " " + secret(rank));
      List<HostAndPort> peers =
          Arrays.stream(calls).map(call -> HostAndPort.parse(call.split(" ")[0])).toList();
      byte[] secret = HexFormat.of().parseHex(calls[0].split(" ")[1]);
      return endpoint.connect(rank, peers, secret, jobId, context.stageAttemptNumber());
    }
  }

  private static String secret(int rank) {
    if (rank != 0) {
      return "-";
    }
    byte[] secret = new byte[SECRET_BYTES];
    new SecureRandom().nextBytes(secret);
    return HexFormat.of().formatHex(secret);
  }

  private static PortRange ports(Cluster cluster) {
    String[] ends = cluster.ports().split("-");
    int first = Integer.parseInt(ends[0]);
    return first == 0
        ? PortRange.ANY
        : new PortRange(first, Integer.parseInt(ends[ends.length - 1]));
  }

  /** auto: as Spark encrypts what its own nodes send each other. */
  static boolean encrypts(Cluster cluster, SparkConf conf) {
    return switch (cluster.encrypt()) {
      case ON -> true;
      case OFF -> false;
      case AUTO ->
          conf.getBoolean("spark.network.crypto.enabled", false)
              || conf.getBoolean("spark.authenticate.enableSaslEncryption", false)
              || conf.getBoolean("spark.ssl.rpc.enabled", false);
    };
  }

  /** Whether others than this JVM's own threads can read or join Spark's RPC. */
  static boolean isOpen(SparkConf conf) {
    return !ClusterChecks.isLocal(conf) && !conf.getBoolean("spark.authenticate", false);
  }
}
