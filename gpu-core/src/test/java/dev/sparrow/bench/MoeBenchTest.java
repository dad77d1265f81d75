package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.bench.MoeBenchCase.Load;
import dev.sparrow.bench.MoeBenchCase.Sizes;
import dev.sparrow.config.Moe.Dispatch;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MoeBenchTest {
  private static MoeBenchCase small(String name, Load load, Dispatch dispatch) {
    return new MoeBenchCase(
        name, new Sizes(32, 8, 16, Activation.GELU, false, 1), 4, 1, load, dispatch);
  }

  @Test
  void everyDispatchHasItsRowsOnACpu() {
    try (Backend backend = new CpuBackend(1)) {
      BenchDevice cpu = BenchDevice.of(backend);
      List<MoeBenchCase> group =
          List.of(
              small("uniform", Load.UNIFORM, Dispatch.DROPLESS),
              small("one", Load.ONE, Dispatch.CAPACITY),
              small("padded", Load.ZIPF, Dispatch.PADDED));
      BenchDevice device = cpu.with(cpu.products(), List.of(), List.of(group));
      List<BenchRow> rows = new MoeBench(device, 3, Map.of("uniform", 1.0)).run();
      assertEquals(
          List.of(
              "uniform time",
              "uniform rate",
              "uniform routing_share",
              "one time",
              "one routing_share",
              "one uniform_time",
              "one dropped",
              "padded time",
              "padded rate",
              "padded routing_share",
              "padded uniform_time"),
          rows.stream().map(row -> row.caseName() + " " + row.metric()).toList());
      assertEquals(1 / rows.get(0).value(), rows.get(0).ratio());
      assertEquals("GFLOP/s", rows.get(1).unit());
      // 32 tokens to one expert of four, which takes 1.25 · 32 / 4 of them.
      assertEquals(22, rows.get(6).value());
      assertTrue(rows.stream().allMatch(row -> row.device().equals(BenchRow.cpu())));
    }
  }

  /** As README and earlier rows name them. */
  @Test
  void casesKeepTheirNames() {
    List<String> names =
        MoeBenchCase.FOR_CPUS.stream().flatMap(List::stream).map(MoeBenchCase::name).toList();
    assertEquals(11, names.size());
    assertTrue(
        names.containsAll(List.of("e8-top1", "e8-top1-zipf", "e64-top2-zipf")), names::toString);
  }
}
