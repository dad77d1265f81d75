package dev.sparrow.backend.cuda;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.commons.text.similarity.LevenshteinDistance;

/**
 * What kernels the build made: {@code {"built": true, "entries": [{name, file, arch, registers,
 * sharedBytes, spillStores, spillLoads, stackFrame}]}}. A name may stand once for each
 * architecture. Immutable.
 */
final class KernelIndex {
  private static final String ASKED = "CUDA kernels";
  private static final String CURE =
      "build Sparrow with nvcc on PATH or CUDA_HOME set, or choose the CPU with"
          + " train.backend = cpu";

  /** By name, then by architecture. */
  private final Map<String, Map<String, KernelEntry>> entries;

  private KernelIndex(Map<String, Map<String, KernelEntry>> entries) {
    this.entries = entries;
  }

  /**
   * Reads an index.
   *
   * @param json null where the class path has none
   * @throws CudaUnavailableException where there is none, or the build had no nvcc
   */
  static KernelIndex read(InputStream json) {
    if (json == null) {
      throw new CudaUnavailableException(ASKED, "this build has no kernel index", CURE);
    }
    try {
      return of(new ObjectMapper().readTree(json));
    } catch (IOException e) {
      throw new CudaUnavailableException(
          ASKED, "the kernel index is not JSON (" + e.getMessage() + ")", CURE, e);
    }
  }

  /**
   * The kernel's entry that the device runs best.
   *
   * @throws IllegalArgumentException for an unknown name, with the nearest known one
   * @throws CudaUnavailableException where it is compiled for other devices only
   */
  KernelEntry entry(String name, ComputeCapability device) {
    Map<String, KernelEntry> compiled = entries.get(name);
    if (compiled == null) {
      throw new IllegalArgumentException("kernel " + name + ": not in the index" + nearest(name));
    }
    for (String arch : device.architectures()) {
      if (compiled.containsKey(arch)) {
        return compiled.get(arch);
      }
    }
    throw new CudaUnavailableException(
        "kernel " + name,
        "compiled for " + String.join(", ", compiled.keySet()) + ", the device is " + device,
        "choose a kernel for " + String.join(" or ", device.architectures()));
  }

  /** Whether the device runs a kernel of that name. */
  boolean has(String name, ComputeCapability device) {
    Map<String, KernelEntry> compiled = entries.getOrDefault(name, Map.of());
    return device.architectures().stream().anyMatch(compiled::containsKey);
  }

  /** All names, sorted. */
  List<String> names() {
    return List.copyOf(entries.keySet());
  }

  private static KernelIndex of(JsonNode root) {
    if (!root.path("built").asBoolean(false)) {
      throw new CudaUnavailableException(ASKED, "this build was made without nvcc", CURE);
    }
    Map<String, Map<String, KernelEntry>> entries = new TreeMap<>();
    for (JsonNode node : root.path("entries")) {
      KernelEntry entry = entry(node);
      KernelEntry twin =
          entries.computeIfAbsent(entry.name(), name -> new TreeMap<>()).put(entry.arch(), entry);
      if (twin != null) {
        throw new IllegalArgumentException(
            "kernel index: " + entry.name() + " stands twice for " + entry.arch());
      }
    }
    return new KernelIndex(entries);
  }

  private static KernelEntry entry(JsonNode node) {
    return new KernelEntry(
        text(node, "name"),
        text(node, "file"),
        text(node, "arch"),
        number(node, "registers"),
        number(node, "sharedBytes"),
        number(node, "spillStores"),
        number(node, "spillLoads"),
        number(node, "stackFrame"));
  }

  private static String text(JsonNode node, String field) {
    if (!node.path(field).isTextual()) {
      throw new IllegalArgumentException("kernel index: expected text " + field + " in " + node);
    }
    return node.get(field).asText();
  }

  private static int number(JsonNode node, String field) {
    if (!node.path(field).canConvertToInt() || !node.path(field).isIntegralNumber()) {
      throw new IllegalArgumentException("kernel index: expected integer " + field + " in " + node);
    }
    return node.get(field).asInt();
  }

  private String nearest(String name) {
    List<String> names = new ArrayList<>(entries.keySet());
    LevenshteinDistance distance = LevenshteinDistance.getDefaultInstance();
    return names.stream()
        .min(Comparator.comparingInt(known -> distance.apply(known, name)))
        .map(known -> "; the nearest is " + known)
        .orElse(", which is empty");
  }
}
