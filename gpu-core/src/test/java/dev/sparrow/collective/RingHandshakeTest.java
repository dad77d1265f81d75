package dev.sparrow.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class RingHandshakeTest {
  private static final RingSettings SETTINGS =
      RingSettings.defaults().withOpenMillis(1_500).withHandshakeMillis(300);
  private static final byte[] SECRET = new byte[32];

  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final List<RingEndpoint> endpoints = new ArrayList<>();

  @AfterEach
  void stop() {
    endpoints.forEach(RingEndpoint::close);
    threads.shutdownNow();
  }

  @Test
  void anotherSecretIsRefusedOnBothSides() throws Exception {
    byte[] other = new byte[32];
    other[31] = 1;
    RingEndpoint a = bind(SETTINGS);
    RingEndpoint b = bind(SETTINGS);
    List<HostAndPort> peers = List.of(a.address(), b.address());
    Future<Collective> second = threads.submit(() -> b.connect(1, peers, other, "job", 0));
    assertFails(() -> a.connect(0, peers, SECRET, "job", 0), "rank 1 (" + b.address(), "secret");
    assertFails(() -> TestRing.get(second), "rank 0 (" + a.address());
  }

  @Test
  void anotherJobAttemptOrEncryptionIsNamed() throws Exception {
    assertConflict(SETTINGS, "job", 1, "attempt: expected");
    assertConflict(SETTINGS, "other", 0, "job: expected");
    assertConflict(SETTINGS.withEncrypt(true), "job", 0, "encryption: expected");
  }

  private void assertConflict(RingSettings settings, String job, int attempt, String reason)
      throws Exception {
    RingEndpoint a = bind(SETTINGS);
    RingEndpoint b = bind(settings);
    List<HostAndPort> peers = List.of(a.address(), b.address());
    Future<Collective> second = threads.submit(() -> b.connect(1, peers, SECRET, job, attempt));
    assertFails(() -> a.connect(0, peers, SECRET, "job", 0), "rank 1", reason);
    assertFails(() -> TestRing.get(second), "rank 0");
  }

  @Test
  void anotherWorldSizeIsNamed() throws Exception {
    RingEndpoint a = bind(SETTINGS);
    RingEndpoint b = bind(SETTINGS);
    RingEndpoint c = bind(SETTINGS);
    List<HostAndPort> three = List.of(a.address(), b.address(), c.address());
    Future<Collective> second =
        threads.submit(() -> b.connect(1, three.subList(0, 2), SECRET, "job", 0));
    assertFails(() -> a.connect(0, three, SECRET, "job", 0), "rank 1", "world size: expected");
    assertFails(() -> TestRing.get(second), "rank 0");
  }

  @Test
  void twoRanksWithTheSameNumberAreRefused() throws Exception {
    RingEndpoint a = bind(SETTINGS);
    RingEndpoint b = bind(SETTINGS);
    List<HostAndPort> peers = List.of(a.address(), b.address());
    Future<Collective> second = threads.submit(() -> b.connect(0, peers, SECRET, "job", 0));
    assertFails(() -> a.connect(0, peers, SECRET, "job", 0), "rank 1");
    assertThrows(CollectiveException.class, () -> TestRing.get(second));
  }

  @Test
  void aSilentPeerEndsTheWaitAtTheLimit() throws Exception {
    try (ServerSocket silent = new ServerSocket(0, 5, InetAddress.getByName(TestRing.HOST))) {
      RingEndpoint a = bind(SETTINGS);
      HostAndPort peer = new HostAndPort(TestRing.HOST, silent.getLocalPort());
      assertFails(
          () -> a.connect(0, List.of(a.address(), peer), SECRET, "job", 0),
          peer.toString(),
          "did not answer within 1500 ms");
    }
  }

  @Test
  void aDialledPeerThatTalksGarbageIsNamed() throws Exception {
    try (ServerSocket web = new ServerSocket(0, 5, InetAddress.getByName(TestRing.HOST))) {
      threads.submit(
          () -> {
            Socket accepted = web.accept();
            accepted.getOutputStream().write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes());
            return accepted;
          });
      RingEndpoint a = bind(SETTINGS);
      HostAndPort peer = new HostAndPort(TestRing.HOST, web.getLocalPort());
      assertFails(
          () -> a.connect(0, List.of(a.address(), peer), SECRET, "job", 0),
          peer.toString(),
          "garbage");
    }
  }

  @Test
  void nobodyListeningFailsAtOnce() throws Exception {
    RingEndpoint gone = bind(SETTINGS);
    gone.close();
    RingEndpoint a = bind(SETTINGS);
    assertFails(
        () -> a.connect(0, List.of(a.address(), gone.address()), SECRET, "job", 0),
        "rank 1 (" + gone.address(),
        "cannot reach");
  }

  @Test
  void strangersAndSilentCallersDoNotBreakTheOpening() throws Exception {
    RingEndpoint a = bind(SETTINGS);
    RingEndpoint b = bind(SETTINGS);
    List<HostAndPort> peers = List.of(a.address(), b.address());
    try (Socket garbage = new Socket(TestRing.HOST, a.address().port());
        Socket silent = new Socket(TestRing.HOST, a.address().port())) {
      garbage.getOutputStream().write("GET / HTTP/1.1\r\n\r\n".getBytes());
      Future<Collective> first = threads.submit(() -> a.connect(0, peers, SECRET, "job", 0));
      assertEquals(-1, readOrReset(garbage), "a stranger must be turned away");
      assertEquals(-1, readOrReset(silent), "a silent caller must be turned away");
      Future<Collective> second = threads.submit(() -> b.connect(1, peers, SECRET, "job", 0));
      Collective one = TestRing.get(first);
      Collective two = TestRing.get(second);
      Future<?> barrier = threads.submit(two::barrier);
      one.barrier();
      assertNull(barrier.get());
      one.close();
      two.close();
    }
  }

  @Test
  void aCrowdOfCallersWaitsItsTurnAndTheNeighbourAmongThem() throws Exception {
    RingSettings patient = SETTINGS.withOpenMillis(20_000);
    RingEndpoint a = bind(patient);
    RingEndpoint b = bind(patient);
    List<HostAndPort> peers = List.of(a.address(), b.address());
    List<Socket> silent = new ArrayList<>();
    try {
      for (int i = 0; i < RingOpening.MAX_CALLERS; i++) {
        silent.add(new Socket(TestRing.HOST, a.address().port()));
      }
      Socket garbage = new Socket(TestRing.HOST, a.address().port());
      silent.add(garbage);
      garbage.getOutputStream().write("GET / HTTP/1.1\r\n\r\n".getBytes());
      long start = System.nanoTime();
      Future<Collective> first = threads.submit(() -> a.connect(0, peers, SECRET, "job", 0));
      Future<Collective> second = threads.submit(() -> b.connect(1, peers, SECRET, "job", 0));
      assertEquals(-1, readOrReset(garbage));
      long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
      assertTrue(millis >= SETTINGS.handshakeMillis(), "answered after " + millis + " ms");
      Collective one = TestRing.get(first);
      TestRing.get(second).close();
      one.close();
    } finally {
      for (Socket socket : silent) {
        socket.close();
      }
    }
  }

  /** A reset says the same as an end here: the other side has hung up. */
  private static int readOrReset(Socket socket) {
    try {
      return socket.getInputStream().read();
    } catch (IOException reset) {
      return -1;
    }
  }

  @Test
  void closeAndInterruptReleaseAnOpeningThatWaits() throws Exception {
    RingSettings patient = SETTINGS.withOpenMillis(60_000);
    RingEndpoint a = bind(patient);
    RingEndpoint b = bind(patient);
    List<HostAndPort> peers = List.of(a.address(), b.address());
    Future<Collective> waiting = threads.submit(() -> a.connect(0, peers, SECRET, "job", 0));
    a.close();
    assertThrows(CollectiveException.class, () -> TestRing.get(waiting));
    RingEndpoint c = bind(patient);
    Thread.currentThread().interrupt();
    assertFails(
        () -> c.connect(0, List.of(c.address(), b.address()), SECRET, "job", 0), "interrupted");
    assertTrue(Thread.interrupted());
  }

  @Test
  void aPortOutsideTheRangeIsNeverTakenAndAFullRangeIsReported() {
    RingEndpoint taken = bind(SETTINGS);
    int port = taken.address().port();
    assertFails(
        () -> RingEndpoint.bind(TestRing.HOST, new PortRange(port, port), SETTINGS),
        port + "-" + port);
  }

  @Test
  void aSingleRankNeedsNoPeer() {
    RingEndpoint a = bind(SETTINGS);
    Collective alone = a.connect(0, List.of(a.address()), SECRET, "job", 0);
    assertInstanceOf(LocalCollective.class, alone);
  }

  @Test
  void ipv6Works() throws Exception {
    RingEndpoint a = RingEndpoint.bind("::1", PortRange.ANY, SETTINGS);
    RingEndpoint b = RingEndpoint.bind("::1", PortRange.ANY, SETTINGS);
    endpoints.addAll(List.of(a, b));
    assertEquals(a.address(), HostAndPort.parse(a.address().toString()));
    List<HostAndPort> peers = List.of(a.address(), b.address());
    Future<Collective> second = threads.submit(() -> b.connect(1, peers, SECRET, "job", 0));
    try (Collective one = a.connect(0, peers, SECRET, "job", 0);
        Collective two = TestRing.get(second)) {
      assertEquals(2, one.size());
      assertEquals(1, two.rank());
    }
  }

  @Test
  void addressesSecretsAndRangesAreChecked() {
    for (String bad : List.of("host", ":1", "::1:1", "[::1]", "host:0", "host:x", "host:70000")) {
      assertThrows(IllegalArgumentException.class, () -> HostAndPort.parse(bad), bad);
    }
    assertThrows(IllegalArgumentException.class, () -> new PortRange(5, 4));
    assertThrows(IllegalArgumentException.class, () -> new SharedSecret(new byte[16]));
    assertThrows(
        IllegalArgumentException.class,
        () -> RingEndpoint.bind("0.0.0.0", PortRange.ANY, SETTINGS));
  }

  private RingEndpoint bind(RingSettings settings) {
    RingEndpoint endpoint = RingEndpoint.bind(TestRing.HOST, PortRange.ANY, settings);
    endpoints.add(endpoint);
    return endpoint;
  }

  private static void assertFails(org.junit.jupiter.api.function.Executable call, String... parts) {
    String message = assertThrows(CollectiveException.class, call).getMessage();
    for (String part : parts) {
      assertTrue(message.contains(part), () -> "expected '" + part + "' in: " + message);
    }
  }
}
