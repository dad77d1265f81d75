package dev.sparrow.bench;

import dev.sparrow.collective.Collective;
import dev.sparrow.collective.HostAndPort;
import dev.sparrow.collective.RingEndpoint;
import dev.sparrow.collective.RingSettings;
import dev.sparrow.tensor.Tensor;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * All-reduce between two processes on one machine against a plain one-way socket copy of the same
 * bytes over loopback, alternating in the same run. The ring passes elements as {@link
 * RingSettings} says: through shared memory, or all of them through sockets. Two rates, in 10^9
 * bytes/s, both against the copy:
 *
 * <ul>
 *   <li>{@code ring_traffic}: all bytes that the ring moves between processes, 2 (n - 1) S for n
 *       ranks and S bytes, per second. One processor sends and receives for each rank, as one sends
 *       and one receives in the copy, so both have the same processor time per byte moved.
 *   <li>{@code per_rank_send}: the bytes that one rank sends, 2 S (n - 1) / n, per second.
 * </ul>
 *
 * <p>{@code cpu_per_byte} is the processor time of both processes, kernel included, for each byte
 * that passes from one to the other: unlike the rates it means the same on a machine that others
 * use too.
 */
public final class AllReduceBench {
  private static final String SUITE = "allreduce";
  private static final int RANKS = 2;
  private static final int WARM_UP_MEBIBYTES = 1024;
  private static final int RUN_MEBIBYTES = 32;
  private static final long MEBIBYTE = 1 << 20;

  private final RingSettings settings;
  private final int runs;

  public AllReduceBench(RingSettings settings, int runs) {
    this.settings = settings;
    this.runs = runs;
  }

  /** Rows for each size; starts the second process and ends it. */
  public List<BenchRow> run(int... mebibytes) {
    byte[] secret = new byte[32];
    new SecureRandom().nextBytes(secret);
    try (RingEndpoint endpoint = AllReducePeer.bind(settings)) {
      Process peer = startPeer();
      try {
        return against(peer, endpoint, secret, mebibytes);
      } finally {
        peer.destroy();
      }
    } catch (IOException failed) {
      throw new UncheckedIOException("bench allreduce: the second process failed", failed);
    }
  }

  private static Process startPeer() throws IOException {
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx1g",
            "-cp",
            ownLocation() + File.pathSeparator + System.getProperty("java.class.path"),
            AllReducePeer.class.getName());
    return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
  }

  /** The jar or folder of these classes: spark-submit's class loader has it, the class path not. */
  private static String ownLocation() {
    return new File(
            AllReducePeer.class.getProtectionDomain().getCodeSource().getLocation().getPath())
        .getPath();
  }

  /** The order of words is that of {@link AllReducePeer#main}. */
  private List<BenchRow> against(
      Process peer, RingEndpoint endpoint, byte[] secret, int[] mebibytes) throws IOException {
    StringBuilder order = new StringBuilder(HexFormat.of().formatHex(secret));
    order.append(' ').append(endpoint.address()).append(' ').append(settings.chunkBytes());
    order.append(' ').append(settings.encrypt()).append(' ').append(runs);
    order.append(' ').append(settings.shareMemory());
    for (int size : mebibytes) {
      order.append(' ').append(size);
    }
    peer.getOutputStream().write((order + "\n").getBytes(StandardCharsets.UTF_8));
    peer.getOutputStream().flush();
    String answer =
        new BufferedReader(new InputStreamReader(peer.getInputStream(), StandardCharsets.UTF_8))
            .readLine();
    if (answer == null) {
      throw new IOException("it ended before it listened; its error output says why");
    }
    String[] words = answer.split(" ");
    InetSocketAddress copyPort =
        new InetSocketAddress(endpoint.address().host(), Integer.parseInt(words[1]));
    List<HostAndPort> peers = List.of(endpoint.address(), HostAndPort.parse(words[0]));
    try (Collective ring = endpoint.connect(0, peers, secret, SUITE, 0);
        SocketChannel channel = SocketChannel.open(copyPort)) {
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      return measure(ring, new SocketCopy(channel), mebibytes);
    }
  }

  private List<BenchRow> measure(Collective ring, SocketCopy copy, int[] mebibytes)
      throws IOException {
    List<BenchRow> rows = new ArrayList<>();
    for (int size : mebibytes) {
      measure(ring, copy, size, rows);
    }
    return rows;
  }

  /** Runs that are not counted: enough for the compilers, which a small size also needs. */
  static int warmUp(int mebibytes) {
    return Math.max(3, WARM_UP_MEBIBYTES / (mebibytes * calls(mebibytes)));
  }

  /** Calls in a row that make up a run: small ones would measure the machine's scheduler. */
  static int calls(int mebibytes) {
    return Math.max(1, RUN_MEBIBYTES / mebibytes);
  }

  private void measure(Collective ring, SocketCopy copy, int mebibytes, List<BenchRow> rows)
      throws IOException {
    long bytes = mebibytes * MEBIBYTE;
    Tensor values = AllReducePeer.values(bytes);
    int calls = calls(mebibytes);
    double copiedBytes = (double) bytes * calls;
    double sent = 2 * copiedBytes * (RANKS - 1) / RANKS;
    double[] sends = new double[runs];
    double[] copies = new double[runs];
    double[] ringCpu = new double[runs];
    double[] copyCpu = new double[runs];
    for (int run = -warmUp(mebibytes); run < runs; run++) {
      ring.barrier();
      CpuMeter cpu = new CpuMeter();
      long start = System.nanoTime();
      for (int call = 0; call < calls; call++) {
        ring.allReduce(values);
      }
      long reduced = System.nanoTime();
      cpu.ringDone();
      ring.barrier();
      cpu.copyStarts();
      long copying = System.nanoTime();
      for (int call = 0; call < calls; call++) {
        copy.send(bytes);
      }
      long copied = System.nanoTime();
      double[] nanos = cpu.sum(ring);
      if (run >= 0) {
        sends[run] = sent / (reduced - start);
        copies[run] = copiedBytes / (copied - copying);
        ringCpu[run] = nanos[0] / (RANKS * sent);
        copyCpu[run] = nanos[1] / copiedBytes;
      }
    }
    double[] traffic = new double[runs];
    Arrays.setAll(traffic, run -> RANKS * sends[run]);
    String name = mebibytes + " MiB" + path();
    double baseline = BenchRow.median(copies);
    rows.add(BenchRow.ofRate(SUITE, name, "ring_traffic", "GB/s", traffic, baseline));
    rows.add(BenchRow.ofRate(SUITE, name, "per_rank_send", "GB/s", sends, baseline));
    rows.add(
        BenchRow.ofCost(SUITE, name, "cpu_per_byte", "ns/B", ringCpu, BenchRow.median(copyCpu)));
  }

  private String path() {
    if (settings.encrypt()) {
      return ", encrypted";
    }
    return settings.shareMemory() ? "" : ", sockets only";
  }
}
