package dev.sparrow.train;

import dev.sparrow.collective.Collective;
import dev.sparrow.collective.HostAndPort;
import dev.sparrow.collective.PortRange;
import dev.sparrow.collective.RingEndpoint;
import dev.sparrow.collective.RingSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** Ranks as threads of this JVM, in a ring over loopback; each closes its side when it is done. */
final class Ranks {
  private static final String HOST = "127.0.0.1";
  private static final long LIMIT_SECONDS = 60;

  private Ranks() {}

  /** The bodies' results in rank order, or what the first failing rank threw. */
  static <T> List<T> run(int size, Function<Collective, T> body) throws Exception {
    List<RingEndpoint> endpoints = new ArrayList<>();
    for (int rank = 0; rank < size; rank++) {
      endpoints.add(RingEndpoint.bind(HOST, PortRange.ANY, RingSettings.defaults()));
    }
    List<HostAndPort> peers = endpoints.stream().map(RingEndpoint::address).toList();
    ExecutorService threads = Executors.newFixedThreadPool(size);
    try {
      List<Future<T>> futures = new ArrayList<>();
      for (int rank = 0; rank < size; rank++) {
        int own = rank;
        futures.add(threads.submit(() -> rank(endpoints.get(own), own, peers, body)));
      }
      List<T> results = new ArrayList<>();
      for (Future<T> future : futures) {
        results.add(future.get(LIMIT_SECONDS, TimeUnit.SECONDS));
      }
      return results;
    } catch (ExecutionException failed) {
      throw failed.getCause() instanceof Exception cause ? cause : failed;
    } finally {
      threads.shutdownNow();
    }
  }

  private static <T> T rank(
      RingEndpoint endpoint, int rank, List<HostAndPort> peers, Function<Collective, T> body) {
    try (endpoint;
        Collective ring = endpoint.connect(rank, peers, new byte[32], "toy", 0)) {
      return body.apply(ring);
    }
  }
}
