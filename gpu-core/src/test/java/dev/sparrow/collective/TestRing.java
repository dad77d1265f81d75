package dev.sparrow.collective;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A ring whose ranks are threads of this JVM. */
final class TestRing implements AutoCloseable {
  static final String HOST = "127.0.0.1";
  static final byte[] SECRET = new byte[32];
  private static final long LIMIT_SECONDS = 30;

  /** What one rank does. */
  interface RankBody<T> {
    T run(Collective ring) throws Exception;
  }

  final List<RingEndpoint> endpoints = new ArrayList<>();
  final List<Collective> ranks = new ArrayList<>();
  private final ExecutorService threads = Executors.newCachedThreadPool();

  TestRing(int size, RingSettings settings) throws Exception {
    this(Collections.nCopies(size, settings));
  }

  /**
   * @param settings of each rank
   */
  TestRing(List<RingSettings> settings) throws Exception {
    int size = settings.size();
    for (RingSettings own : settings) {
      endpoints.add(RingEndpoint.bind(HOST, PortRange.ANY, own));
    }
    List<HostAndPort> peers = endpoints.stream().map(RingEndpoint::address).toList();
    List<Callable<Collective>> opening = new ArrayList<>();
    for (int rank = 0; rank < size; rank++) {
      int own = rank;
      opening.add(() -> endpoints.get(own).connect(own, peers, SECRET, "job", 0));
    }
    ranks.addAll(all(opening));
  }

  /** Runs the body on every rank at once and returns the results in rank order. */
  <T> List<T> each(RankBody<T> body) throws Exception {
    List<Callable<T>> calls = new ArrayList<>();
    ranks.forEach(ring -> calls.add(() -> body.run(ring)));
    return all(calls);
  }

  /** Runs the body on every rank and returns what each throws, or null where it returns. */
  List<Throwable> failures(RankBody<?> body) throws Exception {
    return each(
        ring -> {
          try {
            body.run(ring);
            return null;
          } catch (CollectiveException expected) {
            return expected;
          }
        });
  }

  <T> Future<T> start(Callable<T> call) {
    return threads.submit(call);
  }

  private <T> List<T> all(List<Callable<T>> calls) throws Exception {
    List<Future<T>> futures = new ArrayList<>();
    calls.forEach(call -> futures.add(threads.submit(call)));
    List<T> results = new ArrayList<>();
    for (Future<T> future : futures) {
      results.add(get(future));
    }
    return results;
  }

  /** The result within the limit; the exception that the call threw, as it is. */
  static <T> T get(Future<T> future) throws Exception {
    try {
      return future.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException failed) {
      if (failed.getCause() instanceof Exception cause) {
        throw cause;
      }
      throw failed;
    } catch (TimeoutException hung) {
      throw new AssertionError("a rank hangs", hung);
    }
  }

  @Override
  public void close() throws Exception {
    try {
      each(
          ring -> {
            ring.close();
            return null;
          });
    } finally {
      threads.shutdownNow();
      endpoints.forEach(RingEndpoint::close);
    }
  }
}
