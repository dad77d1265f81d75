package dev.sparrow.collective;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class PeerDeathTest {
  @Test
  void aKilledPeerProcessFailsTheCallAtOnce() throws Exception {
    Process process = start();
    try (RingEndpoint endpoint =
        RingEndpoint.bind(TestRing.HOST, PortRange.ANY, RingSettings.defaults())) {
      process.getOutputStream().write((endpoint.address() + "\n").getBytes());
      process.getOutputStream().flush();
      HostAndPort peer = HostAndPort.parse(firstLine(process));
      try (Collective ring =
          endpoint.connect(0, List.of(endpoint.address(), peer), TestRing.SECRET, "job", 0)) {
        Tensor values = HeapStorage.wrap(new float[PeerProcess.LENGTH], PeerProcess.LENGTH);
        ring.allReduce(values);
        Thread killer = new Thread(process::destroyForcibly);
        killer.start();
        String why =
            assertThrows(CollectiveException.class, () -> reduceForever(ring, values)).getMessage();
        assertTrue(why.contains("lost rank 1 (" + peer.host()), why);
        assertTrue(why.contains("allReduce of " + PeerProcess.LENGTH), why);
        killer.join();
      }
    } finally {
      process.destroyForcibly().waitFor();
    }
  }

  private static void reduceForever(Collective ring, Tensor values) {
    for (; ; ) {
      ring.allReduce(values);
    }
  }

  private static Process start() throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String classPath = System.getProperty("java.class.path");
    return new ProcessBuilder(java, "-Xmx256m", "-cp", classPath, PeerProcess.class.getName())
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  private static String firstLine(Process process) throws Exception {
    return new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))
        .readLine();
  }
}
