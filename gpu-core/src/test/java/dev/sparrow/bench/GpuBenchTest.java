package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cuda.TestGpu;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The benchmarks of GPUs in a tiny form, on the emulated one: their figures mean nothing. */
class GpuBenchTest {
  private static Backend open() {
    Backend backend = TestGpu.open();
    assumeTrue(TestGpu.emulated(), "a real GPU's cases take minutes; bench runs them");
    return backend;
  }

  private static void requireRows(List<String> expected, List<BenchRow> rows) {
    assertEquals(expected, rows.stream().map(row -> row.caseName() + " " + row.metric()).toList());
    for (BenchRow row : rows) {
      assertTrue(Double.isFinite(row.value()), row.toString());
      assertTrue(row.device().startsWith("Emulated GPU"), row.toString());
    }
  }

  @Test
  void languageModelsStandBesideLargeProductsAndMixturesBesideTheDenseModel() {
    try (Backend backend = open()) {
      long before = backend.allocatedBytes();
      List<BenchRow> rows = new LmBench(GpuBench.device(backend), Map.of()).run();
      requireRows(
          List.of(
              "gpt2-124m tokens",
              "gpt2-124m matmul_of_bf16_product",
              "gpt2-124m-ffn90-g64 tokens",
              "gpt2-124m-ffn90-g64 matmul_of_bf16_product",
              "gpt2-124m-ffn90-g64 tokens_of_dense",
              "gpt2-124m-e8-top1 tokens",
              "gpt2-124m-e8-top1 matmul_of_bf16_product",
              "gpt2-124m-e8-top1 tokens_of_dense",
              "gpt2-124m-e64-top4 tokens",
              "gpt2-124m-e64-top4 matmul_of_bf16_product",
              "gpt2-124m-e64-top4 tokens_of_dense"),
          rows);
      assertEquals("TFLOP/s", rows.get(1).unit());
      // Theirs until the backend closes: a vector of each router; of each pattern, of 8 and of 2
      // groups, columns and which groups are live.
      long routers = Float.BYTES * (8 + 64);
      long patterns = Integer.BYTES * (8 * (2 + 1) + 2 * (6 + 1));
      assertEquals(before + routers + patterns, backend.allocatedBytes(), "a case keeps memory");
    }
  }

  @Test
  void layersTellBothHalvesAndTheRoutersShare() {
    try (Backend backend = open()) {
      List<BenchRow> rows = new MoeBench(GpuBench.device(backend), 3, Map.of()).run();
      requireRows(
          List.of(
              "e8-top4 time",
              "e8-top4 rate",
              "e8-top4 forward_rate",
              "e8-top4 backward_rate",
              "e8-top4 routing_share",
              "e8-top4-zipf time",
              "e8-top4-zipf rate",
              "e8-top4-zipf forward_rate",
              "e8-top4-zipf backward_rate",
              "e8-top4-zipf routing_share",
              "e8-top4-zipf uniform_time"),
          rows);
      // 3 matrices of 16 x 8 for 48·4 assignments, and twice that backward.
      double flops = 3 * 2.0 * 3 * 16 * 8 * 48 * 4;
      double median = flops / (rows.get(0).value() * 1e-3) * 1e-12;
      assertEquals(median, rows.get(1).value(), 1e-9 * median);
      double share = rows.get(4).value();
      assertTrue(share > 0 && share < 1, rows.get(4).toString());
    }
  }
}
