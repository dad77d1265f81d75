package dev.sparrow.backend.cuda;

import dev.sparrow.backend.CudaSettings;
import dev.sparrow.backend.CudaSettings.CublasUse;
import dev.sparrow.backend.CudaSettings.NcclUse;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.DeviceCollective;
import dev.sparrow.collective.HostAndPort;
import dev.sparrow.collective.PortRange;
import dev.sparrow.collective.RingEndpoint;
import dev.sparrow.collective.RingSettings;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Ranks as threads of this JVM, each with a GPU, in a ring over loopback. */
final class GpuRanks {
  private static final String HOST = "127.0.0.1";
  private static final long LIMIT_SECONDS = 60;

  private GpuRanks() {}

  /** What one rank does with its GPU and the collective for its tensors. */
  interface Body<T> {
    T run(CudaBackend backend, Collective ranks) throws Exception;
  }

  /**
   * A rank's side.
   *
   * @param gpu its ordinal
   */
  record Rank(int gpu, CudaSettings settings) {
    /** So many ranks on GPUs of their own, joined by NCCL. */
    static List<Rank> joined(int size) {
      List<Rank> ranks = new ArrayList<>();
      for (int i = 0; i < size; i++) {
        ranks.add(new Rank(i, new CudaSettings(CublasUse.OFF, true, NcclUse.ON)));
      }
      return ranks;
    }
  }

  /** The bodies' results in rank order, or what the first failing rank threw. */
  static <T> List<T> run(List<Rank> ranks, long inactivityMillis, Body<T> body) throws Exception {
    return run(ranks, RingSettings.defaults().withInactivityMillis(inactivityMillis), body);
  }

  static <T> List<T> run(List<Rank> ranks, RingSettings settings, Body<T> body) throws Exception {
    List<RingEndpoint> endpoints = new ArrayList<>();
    for (int rank = 0; rank < ranks.size(); rank++) {
      endpoints.add(RingEndpoint.bind(HOST, PortRange.ANY, settings));
    }
    List<HostAndPort> peers = endpoints.stream().map(RingEndpoint::address).toList();
    ExecutorService threads = Executors.newFixedThreadPool(ranks.size());
    try {
      List<Future<T>> futures = new ArrayList<>();
      for (int rank = 0; rank < ranks.size(); rank++) {
        int own = rank;
        futures.add(
            threads.submit(() -> one(ranks.get(own), endpoints.get(own), own, peers, body)));
      }
      List<T> results = new ArrayList<>();
      for (Future<T> future : futures) {
        results.add(future.get(LIMIT_SECONDS, TimeUnit.SECONDS));
      }
      return Collections.unmodifiableList(results);
    } catch (ExecutionException failed) {
      throw failed.getCause() instanceof Exception cause ? cause : failed;
    } finally {
      threads.shutdownNow();
    }
  }

  private static <T> T one(
      Rank side, RingEndpoint endpoint, int rank, List<HostAndPort> peers, Body<T> body)
      throws Exception {
    try (endpoint;
        Collective ring = endpoint.connect(rank, peers, new byte[32], "gpus", 0);
        CudaBackend backend = TestGpu.open(side.gpu, side.settings)) {
      return body.run(backend, DeviceCollective.of(ring, backend));
    }
  }
}
