package dev.sparrow.bench;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.backend.cpu.CpuBackend;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Products around uniformly sparse weights (Muralidharan, MLSys 2023) against dense ones of this
 * process's matrix library and, where it is found, MKL's sparse product. The formats of a shape and
 * sparsity, the dense products and MKL's alternate run by run, so that all see the same machine.
 *
 * <ul>
 *   <li>{@code forward}, {@code dx}, {@code dw} and {@code all} three in ms, against dense
 *   <li>{@code forward_mkl}, {@code dx_mkl}: the same times against MKL's CSR, prepared and
 *       optimised beforehand, its values in place, for dx already transposed; {@code _mkl_turned}
 *       where its dense matrices are turned beforehand too, while our times hold that work
 *   <li>{@code forward_mean}, {@code all_mean}: geometric means of the ratios to dense over the
 *       shapes of a batch size; {@code mkl_mean}, {@code mkl_turned_mean} over all such ratios
 * </ul>
 */
public final class SpmmBench {
  private static final String SUITE = "spmm";
  private static final Logger LOG = LoggerFactory.getLogger(SpmmBench.class);
  private static final int[] BATCHES = {1, 64, 256, 1024};
  private static final int[] PERCENTS = {50, 75, 90, 95};
  private static final long SEED = 1;

  private final CpuBackend backend;
  private final SpmmEffort effort;
  private final Optional<Mkl> mkl;
  private final Map<String, List<Double>> ratios = new LinkedHashMap<>();

  /**
   * @param backend the CPU's: others have no kernels of their own for these products
   * @param runs measurements of each product
   */
  public SpmmBench(Backend backend, int runs) {
    this(requireCpu(backend), SpmmEffort.whole(runs));
  }

  private static CpuBackend requireCpu(Backend backend) {
    if (backend instanceof CpuBackend cpu) {
      return cpu;
    }
    throw new IllegalArgumentException(
        "bench spmm: expected the CPU backend, got " + backend.name() + "; use --backend cpu");
  }

  SpmmBench(CpuBackend backend, SpmmEffort effort) {
    this.backend = backend;
    this.effort = effort;
    this.mkl = Mkl.find();
    if (mkl.isEmpty()) {
      LOG.warn(
          "bench spmm: no libmkl_rt found, so nothing is compared with MKL. Cure: build with"
              + " -Pbench, or name its folder in -Djna.library.path.");
    }
  }

  /** Weights of 1024 and 4096 rows, 1024 columns; some five minutes on two cores. */
  public List<BenchRow> run() {
    List<SpmmShape> shapes = new ArrayList<>();
    for (int out : new int[] {1024, 4096}) {
      for (int batch : BATCHES) {
        shapes.add(new SpmmShape(out, 1024, batch));
      }
    }
    return run(shapes);
  }

  /** Rows of all sparsities and formats of the shapes, then the means. */
  List<BenchRow> run(List<SpmmShape> shapes) {
    List<BenchRow> rows = new ArrayList<>();
    for (SpmmShape shape : shapes) {
      for (int percent : PERCENTS) {
        rows.addAll(measure(shape, percent, rows.isEmpty() ? effort : effort.warm()));
      }
    }
    ratios.forEach((name, all) -> rows.add(mean(name, all)));
    return rows;
  }

  private List<BenchRow> measure(SpmmShape shape, int percent, SpmmEffort spent) {
    Random random = new Random(SEED);
    SpmmOperands operands = new SpmmOperands(shape, random);
    SpmmContender dense = SpmmContender.dense(backend, operands);
    Map<SpmmFormat, SpmmContender> formats = new LinkedHashMap<>();
    for (SpmmFormat format : SpmmFormat.ALL) {
      UniformPattern pattern = format.pattern(shape, percent, random);
      formats.put(format, SpmmContender.sparse(backend, operands, pattern));
    }
    MklContenders theirs = mklContenders(shape, percent, random);
    List<SpmmContender> all = new ArrayList<>(formats.values());
    all.add(dense);
    all.addAll(theirs.byName().values());
    try {
      measure(all, spent);
    } finally {
      all.forEach(SpmmContender::close);
    }
    List<BenchRow> rows = new ArrayList<>();
    formats.forEach(
        (format, ours) -> rows.addAll(rows(shape, percent, format, ours, dense, theirs)));
    return rows;
  }

  private static void measure(List<SpmmContender> all, SpmmEffort spent) {
    all.forEach(contender -> contender.warmUp(spent));
    for (int i = 0; i < spent.runs(); i++) {
      int run = i;
      all.forEach(contender -> contender.measure(run));
    }
  }

  private MklContenders mklContenders(SpmmShape shape, int percent, Random random) {
    UniformPattern pattern = SpmmFormat.ALL.get(0).pattern(shape, percent, random);
    return mkl.map(found -> MklContenders.of(found, backend.pool(), pattern, shape.batch()))
        .orElseGet(MklContenders::none);
  }

  private List<BenchRow> rows(
      SpmmShape shape,
      int percent,
      SpmmFormat format,
      SpmmContender ours,
      SpmmContender dense,
      MklContenders theirs) {
    List<BenchRow> rows = new ArrayList<>();
    String name = shape + "-" + percent + "-" + format.name();
    String meanName = "all-" + shape.batch() + "-" + percent + "-" + format.name();
    for (SpmmOp op : SpmmOp.values()) {
      BenchRow row = row(name, op.metric(), ours.millis(op), dense.millis(op));
      rows.add(row);
      if (op == SpmmOp.FORWARD) {
        count(meanName + " forward_mean", row);
      }
      rows.addAll(againstMkl(name, op, ours, theirs));
    }
    BenchRow all = row(name, "all", ours.allMillis(), dense.allMillis());
    rows.add(all);
    count(meanName + " all_mean", all);
    return rows;
  }

  private List<BenchRow> againstMkl(
      String name, SpmmOp op, SpmmContender ours, MklContenders theirs) {
    List<BenchRow> rows = new ArrayList<>();
    theirs
        .byName()
        .forEach(
            (mklName, contender) -> {
              if (contender.has(op)) {
                String metric = op.metric() + "_" + mklName;
                BenchRow row = row(name, metric, ours.millis(op), contender.millis(op));
                rows.add(row);
                count("all " + mklName + "_mean", row);
              }
            });
    return rows;
  }

  private static BenchRow row(String name, String metric, double[] millis, double[] baseline) {
    return BenchRow.ofCost(SUITE, name, metric, "ms", millis, BenchRow.median(baseline));
  }

  private void count(String mean, BenchRow row) {
    ratios.computeIfAbsent(mean, name -> new ArrayList<>()).add(row.ratio());
  }

  private static BenchRow mean(String name, List<Double> ratios) {
    String[] words = name.split(" ");
    double[] all = ratios.stream().mapToDouble(Double::doubleValue).toArray();
    return BenchRow.ofGeometricMean(SUITE, words[0], words[1], all);
  }
}
