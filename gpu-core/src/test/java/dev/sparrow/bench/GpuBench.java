package dev.sparrow.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.bench.MoeBenchCase.Load;
import dev.sparrow.bench.MoeBenchCase.Sizes;
import dev.sparrow.config.Moe.Dispatch;
import dev.sparrow.config.Uniform;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * The suites lm and moe on GPU 0 where there is no Spark: what {@code sparrow bench lm moe
 * --backend cuda} measures, but for the rows of steps that are fed from shards. On an emulated GPU
 * the cases are tiny and their figures mean nothing.
 */
final class GpuBench {
  private static final int RUNS = 7;

  private GpuBench() {}

  /**
   * @param arguments {@code [--json FILE] [--only TEXT]}: a file for the rows; the cases whose
   *     names contain a text, and the dense one that they stand beside
   */
  public static void main(String[] arguments) throws IOException {
    Map<String, String> options = options(arguments);
    List<BenchRow> rows = new ArrayList<>();
    try (Backend backend = TestGpu.openOrExit("bench")) {
      BenchDevice device = only(options.getOrDefault("--only", ""), device(backend));
      System.out.println(device.words());
      System.out.println(BenchTable.header());
      print(new LmBench(device, Map.of()).run(), rows);
      print(new MoeBench(device, RUNS, Map.of()).run(), rows);
    }
    if (options.containsKey("--json")) {
      new ObjectMapper()
          .enable(SerializationFeature.INDENT_OUTPUT)
          .writeValue(Path.of(options.get("--json")).toFile(), rows);
    }
  }

  private static Map<String, String> options(String... arguments) {
    Map<String, String> options = new HashMap<>();
    for (int i = 0; i < arguments.length; i += 2) {
      if (!List.of("--json", "--only").contains(arguments[i]) || i + 1 == arguments.length) {
        System.err.println(
            "bench: expected [--json FILE] [--only TEXT], got " + String.join(" ", arguments));
        System.exit(2);
      }
      options.put(arguments[i], arguments[i + 1]);
    }
    return options;
  }

  /** Mixtures stay in their groups, whose first has the uniform load. */
  static BenchDevice only(String text, BenchDevice device) {
    Predicate<String> chosen = name -> name.contains(text);
    return device.with(
        device.products(),
        device.languageModels().stream()
            .filter(lm -> lm.isDense() && !text.isEmpty() || chosen.test(lm.name()))
            .toList(),
        device.mixtures().stream()
            .filter(group -> group.stream().anyMatch(layer -> chosen.test(layer.name())))
            .toList());
  }

  private static void print(List<BenchRow> measured, List<BenchRow> all) {
    BenchTable.lines(measured).forEach(System.out::println);
    all.addAll(measured);
  }

  /** All cases on a real GPU, tiny ones of the same forms on an emulated one. */
  static BenchDevice device(Backend backend) {
    BenchDevice device = BenchDevice.of(backend);
    return TestGpu.emulated()
        ? device.with(new Bf16ProductRate(backend, 64), tinyModels(), tinyMixtures())
        : device;
  }

  private static List<LmCase> tinyModels() {
    return List.of(
        tiny(LmCase.GPT2, 0),
        tiny(LmCase.GPT2_GROUPS, 0),
        tiny(LmCase.GPT2_E8, 32),
        tiny(LmCase.GPT2_E64, 8));
  }

  private static LmCase tiny(LmCase lm, int hidden) {
    return new LmCase(
        lm.name(),
        LmCase.gpt(1, 2, 16, 8),
        lm.moe() == null ? null : LmCase.experts(lm.moe().experts(), lm.moe().topK(), hidden),
        lm.uniform() == null
            ? null
            : LmCase.uniform(Uniform.Format.GROUP, 8, lm.uniform().layers().get(0)),
        65,
        2,
        2,
        3);
  }

  private static List<List<MoeBenchCase>> tinyMixtures() {
    Sizes sizes = new Sizes(48, 16, 8, Activation.SILU, true, 2);
    return List.of(
        List.of(
            new MoeBenchCase("e8-top4", sizes, 8, 4, Load.UNIFORM, Dispatch.DROPLESS),
            new MoeBenchCase("e8-top4-zipf", sizes, 8, 4, Load.ZIPF, Dispatch.DROPLESS)));
  }
}
