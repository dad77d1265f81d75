package dev.sparrow.bench;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.HostAndPort;
import dev.sparrow.collective.PortRange;
import dev.sparrow.collective.RingEndpoint;
import dev.sparrow.collective.RingSettings;
import dev.sparrow.tensor.Tensor;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/** Rank 1 of {@link AllReduceBench}, a process of its own. */
final class AllReducePeer {
  private static final String LOOPBACK = "127.0.0.1";

  private AllReducePeer() {}

  /**
   * Reads from standard input one line of secret, address of rank 0, chunk bytes, encryption, runs
   * per size, use of shared memory and sizes in MiB; answers with its own address and the port of
   * the plain copy. The secret does not come as an argument, which other users of the machine could
   * read.
   */
  public static void main(String[] args) throws IOException {
    BufferedReader input =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    String[] words = input.readLine().split(" ");
    byte[] secret = HexFormat.of().parseHex(words[0]);
    RingSettings settings =
        RingSettings.defaults()
            .withChunkBytes(Integer.parseInt(words[2]))
            .withEncrypt(Boolean.parseBoolean(words[3]))
            .withShareMemory(Boolean.parseBoolean(words[5]));
    try (RingEndpoint endpoint = bind(settings);
        ServerSocketChannel server =
            ServerSocketChannel.open().bind(new InetSocketAddress(LOOPBACK, 0))) {
      int copyPort = ((InetSocketAddress) server.getLocalAddress()).getPort();
      PrintStream answer = new PrintStream(System.out, true, StandardCharsets.UTF_8);
      answer.println(endpoint.address() + " " + copyPort);
      List<HostAndPort> peers = List.of(HostAndPort.parse(words[1]), endpoint.address());
      try (Collective ring = endpoint.connect(1, peers, secret, "allreduce", 0);
          SocketChannel channel = server.accept()) {
        int runs = Integer.parseInt(words[4]);
        for (String size : Arrays.copyOfRange(words, 6, words.length)) {
          serve(ring, new SocketCopy(channel), Integer.parseInt(size), runs);
        }
      }
    }
  }

  private static void serve(Collective ring, SocketCopy copy, int mebibytes, int runs)
      throws IOException {
    long bytes = (long) mebibytes << 20;
    int calls = AllReduceBench.calls(mebibytes);
    Tensor values = values(bytes);
    for (int run = -AllReduceBench.warmUp(mebibytes); run < runs; run++) {
      ring.barrier();
      CpuMeter cpu = new CpuMeter();
      for (int call = 0; call < calls; call++) {
        ring.allReduce(values);
      }
      cpu.ringDone();
      ring.barrier();
      cpu.copyStarts();
      for (int call = 0; call < calls; call++) {
        copy.receive(bytes);
      }
      cpu.sum(ring);
    }
  }

  static RingEndpoint bind(RingSettings settings) {
    return RingEndpoint.bind(LOOPBACK, PortRange.ANY, settings);
  }

  static Tensor values(long bytes) {
    int length = Math.toIntExact(bytes / Float.BYTES);
    return HeapStorage.wrap(new float[length], length);
  }
}
