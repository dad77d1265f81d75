package dev.sparrow.collective;

import dev.sparrow.backend.cpu.HeapStorage;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Rank 1 in a JVM of its own: all-reduces without end until it is killed. */
final class PeerProcess {
  static final int LENGTH = 4 << 20;

  private PeerProcess() {}

  public static void main(String[] args) throws Exception {
    BufferedReader input =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    HostAndPort first = HostAndPort.parse(input.readLine());
    RingEndpoint endpoint =
        RingEndpoint.bind(TestRing.HOST, PortRange.ANY, RingSettings.defaults());
    System.out.println(endpoint.address());
    Collective ring =
        endpoint.connect(1, List.of(first, endpoint.address()), TestRing.SECRET, "job", 0);
    float[] values = new float[LENGTH];
    for (; ; ) {
      ring.allReduce(HeapStorage.wrap(values, LENGTH));
    }
  }
}
