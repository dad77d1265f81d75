package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.config.RunConfig;
import dev.sparrow.config.Uniform;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.moe.MoeMethod;
import dev.sparrow.sparsity.uniform.ProductChoice;
import dev.sparrow.sparsity.uniform.ProductTimer;
import dev.sparrow.sparsity.uniform.ProductTimes;
import dev.sparrow.sparsity.uniform.UniformMethod;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole runs whose layers multiply in the form that was faster, by a made-up clock. */
class TimedProductsTest {
  private static final ProductTimes SPARSE_WINS = new ProductTimes(1, 2);

  /** By so little that fewer non-zeros may soon turn it. */
  private static final ProductTimes WHOLE_WINS = new ProductTimes(21, 20);

  /** As if sparse products paid below two fifths of the weights, in matrices of many rows. */
  private static ProductTimes few(UniformPattern pattern, int matrices, int rows) {
    boolean sparse = pattern.sparsity() >= 0.6 && pattern.rows() > 16;
    return sparse ? SPARSE_WINS : WHOLE_WINS;
  }

  private static ProductTimes nobodyAsks(UniformPattern pattern, int matrices, int rows) {
    throw new AssertionError("timed " + pattern);
  }

  private static ToyRun run(ProductTimer timer, List<String> log, String... more) {
    List<String> settings =
        new ArrayList<>(
            List.of(
                "method.name=uniform",
                "uniform.sparsity=0.75",
                "uniform.update-every=1",
                "train.steps=12"));
    settings.addAll(List.of(more));
    return new ToyRun(settings.toArray(String[]::new))
        .methods(
            (backend, config, rank) -> {
              ProductTimer onRankZero = rank == 0 ? timer : TimedProductsTest::nobodyAsks;
              Uniform.Products products = config.uniform().products();
              return method(backend, config, new ProductChoice(products, onRankZero, log::add));
            });
  }

  private static Method method(Backend backend, RunConfig config, ProductChoice products) {
    UniformMethod uniform =
        new UniformMethod(
            backend, config.uniform(), config.train().steps(), config.train().seed(), products);
    return config.method().mixesExperts()
        ? new MoeMethod(backend, config.moe(), config.model(), uniform)
        : uniform;
  }

  private static List<Double> sparseLayers(ToyRun.Result result) {
    return result.rows().stream().map(row -> row.figures().get("sparse_layers")).toList();
  }

  /** Two blocks of qkv (48, 16), out (16, 16), up (64, 16), down (16, 64): four shapes. */
  @Test
  void aStaticPatternIsTimedBeforeTheFirstStep() {
    List<String> log = new ArrayList<>();
    List<Integer> rows = new ArrayList<>();
    ProductTimer timer =
        (pattern, matrices, count) -> {
          rows.add(count);
          return few(pattern, matrices, count);
        };
    ToyRun.Result timed = run(timer, log, "uniform.schedule=static").alone();
    assertEquals(List.of(64, 64, 64, 64), rows);
    assertEquals(4, log.size(), log.toString());
    assertEquals(List.of(4.0), sparseLayers(timed).stream().distinct().toList());
    ToyRun.Result sparse =
        run(
                TimedProductsTest::nobodyAsks,
                log,
                "uniform.schedule=static",
                "uniform.products=sparse")
            .alone();
    // The same start, whatever the form; sums in another order.
    assertEquals(sparse.losses().get(0), timed.losses().get(0), 1e-5);
    assertEquals(sparse.losses().get(11), timed.losses().get(11), 0.02);
  }

  @Test
  void layersTurnSparseOnceTheyAreNarrowEnoughAndStaySo() {
    List<String> log = new ArrayList<>();
    ToyRun.Result result = run(TimedProductsTest::few, log, "uniform.end-step=10").alone();
    List<Double> layers = sparseLayers(result);
    assertEquals(0, layers.get(0));
    assertEquals(4, layers.get(11));
    for (int i = 1; i < 12; i++) {
      assertTrue(layers.get(i) >= layers.get(i - 1), layers.toString());
    }
    assertEquals(0.75, result.rows().get(11).figures().get("sparsity"), 0.02);
  }

  /** Two blocks: attention as above; up (4·64, 16) and down (4·16, 64) of the experts. */
  @Test
  void expertsAreTimedWithTheRowsOfAllTheirTokens() {
    List<String> timings = new ArrayList<>();
    ProductTimer timer =
        (pattern, matrices, count) -> {
          timings.add(matrices + ": " + pattern.rows() + "x" + pattern.columns() + ", " + count);
          return matrices > 1 && pattern.columns() == 16 ? SPARSE_WINS : WHOLE_WINS;
        };
    ToyRun.Result result =
        run(
                timer,
                new ArrayList<>(),
                "method.name=moe+uniform",
                "moe.experts=4",
                "moe.top-k=2",
                "uniform.schedule=static")
            .alone();
    assertEquals(
        List.of("1: 48x16, 64", "1: 16x16, 64", "4: 256x16, 128", "4: 64x64, 128"), timings);
    assertEquals(List.of(2.0), sparseLayers(result).stream().distinct().toList());
  }

  /** One change each: before the first step what is multiplied whole, or at a step's end. */
  @ParameterizedTest
  @CsvSource({
    "uniform.schedule=static, uniform.sparsity=0.75",
    "uniform.begin-step=5, uniform.end-step=5"
  })
  void aMethodIsToldWhatItsChangesTook(String first, String second) {
    List<Long> told = new ArrayList<>();
    ToyRun.Result result =
        new ToyRun("method.name=uniform", "train.steps=6", first, second)
            .methods(
                (backend, config, rank) -> {
                  Uniform.Products products = config.uniform().products();
                  ProductTimer timer = TimedProductsTest::few;
                  ProductChoice choice = new ProductChoice(products, timer, line -> {});
                  return telling(method(backend, config, choice), told);
                })
            .alone();
    assertEquals(1, told.size(), told.toString());
    double seconds = result.rows().get(5).figures().get("pattern_update_seconds");
    assertTrue(told.get(0) > 0 && seconds > told.get(0) * 1e-9, seconds + " s of " + told);
  }

  /** The same method, noting what it is told. */
  private static Method telling(Method method, List<Long> told) {
    return (Method)
        Proxy.newProxyInstance(
            Method.class.getClassLoader(),
            new Class<?>[] {Method.class},
            (proxy, called, arguments) -> {
              if (called.getName().equals("applied")) {
                told.add((Long) arguments[0]);
              }
              return called.invoke(method, arguments);
            });
  }

  @ParameterizedTest
  @ValueSource(strings = {"uniform", "moe+uniform"})
  void whatChangesTookIsAmongTheFigures(String name) {
    ToyRun.Result result =
        new ToyRun("method.name=" + name, "train.steps=6")
            .methods(
                (backend, config, rank) -> {
                  Uniform.Products products = config.uniform().products();
                  ProductTimer timer = TimedProductsTest::few;
                  ProductChoice choice = new ProductChoice(products, timer, line -> {});
                  Method method = method(backend, config, choice);
                  method.applied(3_000_000_000_000L);
                  return method;
                })
            .alone();
    double seconds = result.rows().get(0).figures().get("pattern_update_seconds");
    assertTrue(seconds >= 3000 && seconds < 3600, seconds + " s");
  }

  @Test
  void rankZeroDecidesForAll() throws Exception {
    List<ToyRun.Result> two =
        run(TimedProductsTest::few, new ArrayList<>(), "uniform.end-step=10").ranks(2);
    assertEquals(4, sparseLayers(two.get(0)).get(11));
    assertArrayEquals(two.get(0).weights(), two.get(1).weights());
  }

  /** Regrowing leaves fan-ins as they are. */
  @Test
  void aPatternThatMovesIsTimedOnce() {
    List<String> log = new ArrayList<>();
    ToyRun.Result result =
        run(TimedProductsTest::few, log, "uniform.schedule=rigl", "uniform.end-step=10").alone();
    assertEquals(4, log.size(), log.toString());
    assertTrue(result.rows().get(11).figures().get("pattern_updates") > 4);
  }

  @Test
  void aResumedRunGoesOnInTheFormsThatWereSaved(@TempDir Path directory) {
    String[] settings = {"uniform.schedule=rigl", "uniform.end-step=10", "checkpoint.every=2"};
    ToyRun.Result whole = run(TimedProductsTest::few, new ArrayList<>(), settings).alone();
    run(TimedProductsTest::few, new ArrayList<>(), settings)
        .checkpoints(directory)
        .hook((step, arena, backend) -> step == 5)
        .alone();
    ToyRun.Result resumed =
        run(TimedProductsTest::nobodyAsks, new ArrayList<>(), settings)
            .checkpoints(directory)
            .alone();
    assertEquals(6, resumed.rows().get(0).step());
    assertEquals(List.of(4.0), sparseLayers(resumed).stream().distinct().toList());
    assertArrayEquals(whole.weights(), resumed.weights());
  }

  /** A setting that names a form brings a checkpoint's layers into it. */
  @ParameterizedTest
  @CsvSource({"sparse, 8", "dense, 0"})
  void aResumedRunTakesTheFormThatIsDemanded(
      String products, double sparseLayers, @TempDir Path directory) {
    String demanded = "uniform.products=" + products;
    String end = "uniform.end-step=10";
    ToyRun.Result whole =
        run(TimedProductsTest::nobodyAsks, List.of(), end, "uniform.products=sparse").alone();
    run(TimedProductsTest::few, new ArrayList<>(), end)
        .checkpoints(directory)
        .hook((step, arena, backend) -> step == 8)
        .alone();
    ToyRun.Result resumed =
        run(TimedProductsTest::nobodyAsks, List.of(), end, demanded).checkpoints(directory).alone();
    assertEquals(9, resumed.rows().get(0).step());
    assertEquals(List.of(sparseLayers), sparseLayers(resumed).stream().distinct().toList());
    for (int i = 0; i < 4; i++) {
      assertEquals(whole.losses().get(8 + i), resumed.losses().get(i), 0.02, "row " + (9 + i));
    }
  }
}
