package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** conf/gpu-discovery.sh over an nvidia-smi that only prints, and conf/spark-gpu.conf. */
class GpuDiscoveryTest {
  private static final Path CONF = Path.of("../conf");
  private static final String A = uuid("a");
  private static final String B = uuid("b");
  private static final String C = uuid("c");

  /** As of a machine whose third GPU is split by MIG, and whose second cannot be. */
  private static final String LISTED = A + ", Disabled\n" + B + ", [N/A]\n" + C + ", Enabled\n";

  @TempDir Path directory;

  private static String uuid(String digit) {
    return "GPU-00000000-0000-0000-0000-00000000000" + digit;
  }

  private record Discovered(int code, String out, String err) {
    List<String> addresses() throws IOException {
      assertEquals(0, code, err);
      JsonNode json = new ObjectMapper().readTree(out);
      assertEquals("gpu", json.get("name").asText());
      List<String> addresses = new ArrayList<>();
      json.get("addresses").forEach(address -> addresses.add(address.asText()));
      return addresses;
    }

    void refused(String... words) {
      assertEquals(1, code, out);
      assertEquals("", out);
      said(words);
    }

    void said(String... words) {
      for (String word : words) {
        assertTrue(err.contains(word), () -> "expected " + word + " in: " + err);
      }
    }
  }

  private Discovered discover(Map<String, String> environment) throws IOException {
    return discover(LISTED, 0, environment);
  }

  private Discovered discover(String listed, int code, Map<String, String> environment)
      throws IOException {
    Path tools = Files.createDirectories(directory.resolve("bin"));
    Path list = Files.writeString(directory.resolve("listed"), listed);
    Path smi = tools.resolve("nvidia-smi");
    Files.writeString(smi, "#!/bin/sh\n/bin/cat " + list + "\nexit " + code + "\n");
    assertTrue(smi.toFile().setExecutable(true));
    return run(tools, environment);
  }

  /** The script itself needs nothing of PATH but nvidia-smi. */
  private Discovered run(Path tools, Map<String, String> environment) throws IOException {
    Path out = directory.resolve("out");
    Path err = directory.resolve("err");
    ProcessBuilder process =
        new ProcessBuilder("/bin/bash", CONF.resolve("gpu-discovery.sh").toString())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    process.environment().keySet().removeIf(name -> name.endsWith("_VISIBLE_DEVICES"));
    process.environment().put("PATH", tools.toString());
    process.environment().putAll(environment);
    try {
      int code = process.start().waitFor();
      return new Discovered(code, Files.readString(out), Files.readString(err));
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
  }

  @Test
  void wholeGpusAreOfferedAndMigDevicesLeftOut() throws IOException {
    Discovered all = discover(Map.of());
    assertEquals(List.of(A, B), all.addresses());
    all.said(C + " is in MIG mode, left out");
  }

  @Test
  void whatCudaDoesNotSeeIsNotOffered() throws IOException {
    assertEquals(List.of(B, A), cuda("1,0").addresses());
    assertEquals(List.of(B), cuda(B).addresses());
    assertEquals(List.of(A), cuda(A + ", 2").addresses());
    Discovered some = cuda("1,7,0");
    assertEquals(List.of(B), some.addresses());
    some.said("7 is no whole GPU here");
    cuda("").refused("none of the 3 GPUs here is left", "CUDA_VISIBLE_DEVICES");
    cuda("-1").refused("none of the 3 GPUs");
    cuda("MIG-5").refused("MIG-5 is no whole GPU here");
  }

  private Discovered cuda(String visible) throws IOException {
    return discover(Map.of("CUDA_VISIBLE_DEVICES", visible));
  }

  @Test
  void ofTheContainersGpusThoseNamedByUuidAreOffered() throws IOException {
    assertEquals(List.of(B), container(B + "," + C).addresses());
    assertEquals(List.of(A, B), container("all").addresses());
    assertEquals(List.of(A, B), container("void").addresses());
    assertEquals(List.of(A, B), container("6,7").addresses(), "ordinals of the host");
    container("none").refused("NVIDIA_VISIBLE_DEVICES=none");
    assertEquals(
        List.of(B),
        discover(Map.of("CUDA_VISIBLE_DEVICES", "1,0", "NVIDIA_VISIBLE_DEVICES", B + "," + C))
            .addresses());
  }

  private Discovered container(String visible) throws IOException {
    return discover(Map.of("NVIDIA_VISIBLE_DEVICES", visible));
  }

  @Test
  void withoutADriverTheReasonIsSaid() throws IOException {
    run(directory, Map.of()).refused("no nvidia-smi on PATH", "install the NVIDIA driver");
    discover("NVIDIA-SMI has failed because it couldn't communicate\nmore", 9, Map.of())
        .refused("nvidia-smi failed: NVIDIA-SMI has failed because it couldn't communicate");
    discover("No devices were found\n", 0, Map.of())
        .refused("nvidia-smi lists no GPU: No devices were found");
  }

  @Test
  void theScriptCanBeStartedAsItIs() {
    assertTrue(Files.isExecutable(CONF.resolve("gpu-discovery.sh")));
  }

  @Test
  void theGpuSettingsHoldTheDefaultOnes() throws IOException {
    Properties gpu = properties("spark-gpu.conf");
    properties("spark-defaults.conf").forEach((key, value) -> assertEquals(value, gpu.get(key)));
    assertEquals("1", gpu.get("spark.task.resource.gpu.amount"));
  }

  private static Properties properties(String name) throws IOException {
    Properties properties = new Properties();
    try (var in = Files.newBufferedReader(CONF.resolve(name), StandardCharsets.UTF_8)) {
      properties.load(in);
    }
    return properties;
  }
}
