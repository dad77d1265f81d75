package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.Moe;
import dev.sparrow.config.Uniform;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.EpochsInMemory;
import dev.sparrow.data.TokenRows;
import dev.sparrow.nn.LayerSummary;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LmBenchTest {
  private final Backend backend = new CpuBackend(1);

  @AfterEach
  void close() {
    backend.close();
  }

  private static LmCase small(String name) {
    return small(name, null);
  }

  private static LmCase small(String name, Moe moe) {
    return new LmCase(name, LmCase.gpt(1, 2, 8, 4), moe, null, 5, 2, 0, 3);
  }

  private List<BenchRow> run(LmCase... cases) {
    return new LmBench(BenchDevice.of(backend), Map.of("a", 10.0)).run(List.of(cases));
  }

  private static List<String> metrics(List<BenchRow> rows) {
    return rows.stream().map(row -> row.caseName() + " " + row.metric()).toList();
  }

  @Test
  void everyCaseHasItsRowsAndOnlyKnownPeersARatio() {
    List<BenchRow> rows = run(small("a"), small("b"));
    assertEquals(
        List.of("a tokens", "a matmul_of_sgemm", "b tokens", "b matmul_of_sgemm"), metrics(rows));
    assertEquals(rows.get(0).value() / 10, rows.get(0).ratio());
    assertNull(rows.get(2).ratio());
    assertTrue(rows.get(3).ratio() > 0 && rows.get(3).ratio() < 1, rows.get(3).toString());
  }

  @Test
  void aMixtureStandsBesideTheDenseModelOfTheSameWork() {
    List<BenchRow> rows = run(small("dense"), small("moe", LmCase.experts(4, 2, 16)));
    assertEquals("moe tokens_of_dense", metrics(rows).get(4));
    assertEquals(rows.get(0).value(), rows.get(4).baseline());
    assertEquals(rows.get(2).value() / rows.get(0).value(), rows.get(4).ratio());
  }

  /** Nothing here says which is faster: the sizes are those of a test. */
  @Test
  void aSparseModelStandsBesideTheDenseOneOfItsShape() {
    LmCase sparse =
        new LmCase(
            "sparse",
            LmCase.gpt(1, 2, 16, 4),
            null,
            LmCase.uniform(Uniform.Format.GROUP, 4, "*.feed_forward.*"),
            5,
            2,
            0,
            3);
    LmCase dense = new LmCase("dense", LmCase.gpt(1, 2, 16, 4), null, null, 5, 2, 0, 3);
    List<BenchRow> rows = run(small("other"), dense, sparse);
    assertEquals("sparse tokens_of_dense", metrics(rows).get(6));
    assertEquals(rows.get(2).value(), rows.get(6).baseline());
    try (WholeStep whole = dense.step(backend);
        WholeStep part = sparse.step(backend)) {
      // Of up (64, 16) and down (16, 64) two and six of a row's weights are left.
      double gone = 64 * (16 - 2) + 16 * (64 - 6);
      assertEquals(3 * 2 * gone * 8, whole.matmulFlops() - part.matmulFlops(), 1e-6);
    }
  }

  /** A source that takes its time shows as that share of the fed steps. */
  @Test
  void whatReadingCostsIsTold() {
    LmCase lm = small("a");
    int[] rows = new int[10 * 5];
    BatchFeed slow =
        (asked, memory) -> {
          assertEquals(lm, asked);
          return new SlowSource(
              new EpochsInMemory<>(
                  new TokenRows(rows, 4), new BatchPlan(0, 1, lm.batch(), 1), 1, true),
              20);
        };
    List<BenchRow> fed =
        new LmBench(BenchDevice.of(backend), Map.of()).fedBy(slow).run(List.of(lm));
    assertEquals(
        List.of("a tokens", "a matmul_of_sgemm", "a tokens_of_fixed_batch", "a data_wait"),
        metrics(fed));
    assertTrue(fed.get(2).value() <= lm.tokens() / 0.02, fed.get(2).toString());
    assertEquals(fed.get(0).value(), fed.get(2).baseline());
    assertTrue(fed.get(3).min() > 0, fed.get(3).toString());
    assertTrue(fed.get(3).max() < 1, fed.get(3).toString());
  }

  /** Counted by hand: qkv, out, up and down of 8 columns, 2.5 keys a query, a head of 5. */
  @Test
  void flopsAreThoseOfTheProducts() {
    double perToken = 2 * (8 * 24 + 8 * 8 + 2 * 8 * 32 + 8 * 5) + 2 * 2 * 8 * 2.5;
    try (WholeStep step = small("a").step(backend)) {
      assertEquals(3 * perToken * 8, step.matmulFlops(), 1e-6);
    }
  }

  /** 6 for each weight of the products, 6·layers·(context + 1)·width for attention. */
  @Test
  void mixturesForGpusDoTheWorkOfGpt2ButForTheirRouters() {
    for (LmCase lm : List.of(LmCase.GPT2, LmCase.GPT2_E8, LmCase.GPT2_E64)) {
      double routers = lm.moe() == null ? 0 : 12 * 768.0 * lm.moe().experts();
      double weights = 12 * 12 * 768.0 * 768 + 50257 * 768.0 + routers;
      double[] forward = {0};
      LayerSummary.Sink sink = row -> forward[0] += row.forwardFlops();
      lm.model(backend).describe(sink);
      assertEquals(6 * weights + 6 * 12 * 1025 * 768.0, 3 * forward[0], 1, lm.name());
    }
  }

  @Test
  void theStepLearns() {
    try (WholeStep step = small("a").step(backend)) {
      double first = step.run();
      double last = first;
      for (int i = 0; i < 30; i++) {
        last = step.run();
      }
      assertTrue(last < first, first + " then " + last);
    }
  }
}
