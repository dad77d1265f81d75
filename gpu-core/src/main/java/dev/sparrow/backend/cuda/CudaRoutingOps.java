package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Draws;
import dev.sparrow.backend.RoutingOps;
import dev.sparrow.backend.cuda.KernelQueue.ByType;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Launches of {@code moe/}: router, sort, moves between tokens and experts, loads. */
final class CudaRoutingOps implements RoutingOps {
  /** Of the router's kernels, which keep a token's probabilities in a warp's registers. */
  private static final int[] EXPERTS = {64, 256, 1024};

  private static final int MOST_CHOICES = 32;
  private static final int ROUTER_THREADS = 128;
  private static final int ROUTER_WARPS = ROUTER_THREADS / 32;
  private static final int WARPS = KernelQueue.THREADS / 32;

  private final KernelQueue queue;
  private final TokenOrigin origin;
  private final AssignmentSort sort;
  private final ByType jitter;
  private final Launch[] router = new Launch[EXPERTS.length];
  private final Launch[] routerBackward = new Launch[EXPERTS.length];
  private final Launch load;
  private final Launch addLoad;
  private final Launch loadBalancing;
  private final ByType gather;
  private final ByType gatherBackward;
  private final ByType scatter;
  private final ByType scatterBackward;

  CudaRoutingOps(KernelQueue queue, TokenOrigin origin) {
    this.queue = queue;
    this.origin = origin;
    this.sort = new AssignmentSort(queue);
    this.jitter = queue.kernels("jitter");
    for (int i = 0; i < EXPERTS.length; i++) {
      router[i] = queue.kernel("moe_router_f32_e" + EXPERTS[i]);
      routerBackward[i] = queue.kernel("moe_router_backward_f32_e" + EXPERTS[i]);
    }
    this.load = queue.kernel("moe_load_i32");
    this.addLoad = queue.kernel("moe_add_load_i32");
    this.loadBalancing = queue.kernel("moe_load_balancing_gradient_f32");
    this.gather = queue.kernels("moe_gather");
    this.gatherBackward = queue.kernels("moe_gather_backward");
    this.scatter = queue.kernels("moe_scatter");
    this.scatterBackward = queue.kernels("moe_scatter_backward");
  }

  @Override
  public void jitter(Tensor x, double epsilon, Draws draws, boolean accumulate, Tensor out) {
    long n = Doors.equalSizes("jitter: x, out", x, out);
    DType type = Doors.equalTypes("jitter: x, out", x, out);
    if (!(epsilon >= 0 && epsilon < 1)) {
      throw new IllegalArgumentException("jitter: expected epsilon in [0, 1), got " + epsilon);
    }
    if (n == 0) {
      return;
    }
    long firstToken = origin.of(draws);
    Launch launch = queue.overElements(jitter.of(type), n);
    launch
        .arguments()
        .tensor(x)
        .float32((float) (1 - epsilon))
        .float32((float) (2 * epsilon))
        .draws(draws, firstToken)
        .int32(accumulate ? 1 : 0)
        .tensor(out)
        .int64(n);
    queue.run(launch);
  }

  @Override
  public void topK(
      Tensor logits,
      Tensor bias,
      double normalization,
      Tensor probabilities,
      Tensor weights,
      Tensor experts) {
    requireChoice("topK", logits, probabilities, weights, experts);
    if (bias != null) {
      Doors.requireVector("topK: bias", bias, logits.columns(), DType.F32);
    }
    if (logits.rows() == 0) {
      return;
    }
    Launch launch = overTokens(router, logits);
    launch
        .arguments()
        .tensor(logits)
        .tensorOrNull(bias)
        .float32((float) normalization)
        .tensor(probabilities)
        .tensor(weights)
        .tensor(experts)
        .int64(logits.rows())
        .int32(logits.columns())
        .int32(weights.columns());
    queue.run(launch);
  }

  @Override
  public void topKBackward(
      Tensor dweights,
      Tensor experts,
      Tensor weights,
      double normalization,
      Tensor probabilities,
      Tensor dprobabilities,
      double zLossScale,
      Tensor logits,
      Tensor dlogits) {
    requireChoice("topKBackward", logits, probabilities, weights, experts);
    Doors.requireMatrix("topKBackward: dweights", dweights, weights.rows(), weights.columns());
    Doors.requireMatrix("topKBackward: dlogits", dlogits, logits.rows(), logits.columns());
    if (dprobabilities != null) {
      Doors.requireVector(
          "topKBackward: dprobabilities", dprobabilities, logits.columns(), DType.F32);
    }
    if (logits.rows() == 0) {
      return;
    }
    Launch launch = overTokens(routerBackward, logits);
    launch
        .arguments()
        .tensor(dweights)
        .tensor(experts)
        .tensor(weights)
        .float32((float) normalization)
        .tensor(probabilities)
        .tensorOrNull(dprobabilities)
        .float32((float) zLossScale)
        .tensor(logits)
        .tensor(dlogits)
        .int64(logits.rows())
        .int32(logits.columns())
        .int32(weights.columns());
    queue.run(launch);
  }

  private Launch overTokens(Launch[] bySize, Tensor logits) {
    int size = 0;
    while (EXPERTS[size] < logits.columns()) {
      size++;
    }
    return bySize[size].grid(queue.blocks(logits.rows(), ROUTER_WARPS)).block(ROUTER_THREADS);
  }

  @Override
  public void sort(Tensor experts, Tensor offsets, Tensor tokenOf, Tensor rowOf) {
    Doors.requireType("sort: experts", experts, DType.I32);
    Doors.requireVector("sort: tokenOf", tokenOf, experts.size(), DType.I32);
    Doors.requireVector("sort: rowOf", rowOf, experts.size(), DType.I32);
    requireExperts("sort", (int) offsets.size() - 1);
    sort.sort(experts, offsets, tokenOf, rowOf);
  }

  @Override
  public void load(Tensor offsets, Tensor load) {
    Doors.requireVector("load: offsets", offsets, load.size() + 1, DType.I32);
    overExperts(this.load).arguments().tensor(offsets).tensor(load).int32((int) load.size());
    queue.run(this.load);
  }

  @Override
  public void addLoad(Tensor load, Tensor sums) {
    Doors.requireVector("addLoad: sums", sums, load.size(), DType.I32);
    overExperts(addLoad).arguments().tensor(load).tensor(sums).int32((int) load.size());
    queue.run(addLoad);
  }

  @Override
  public void loadBalancingGradient(Tensor load, double scale, Tensor dprobabilities) {
    Doors.requireVector(
        "loadBalancingGradient: dprobabilities", dprobabilities, load.size(), DType.F32);
    overExperts(loadBalancing)
        .arguments()
        .tensor(load)
        .float32((float) scale)
        .tensor(dprobabilities)
        .int32((int) load.size());
    queue.run(loadBalancing);
  }

  private static Launch overExperts(Launch launch) {
    return launch.grid(1).block(KernelQueue.THREADS);
  }

  @Override
  public void gather(Tensor x, Tensor rowOf, Tensor y) {
    requireMoves("gather", x, rowOf, y);
    if (rowOf.size() == 0) {
      return;
    }
    Launch launch = overRows(gather.of(x.dtype()), rowOf.size());
    launch
        .arguments()
        .tensor(x)
        .tensor(rowOf)
        .tensor(y)
        .int64(rowOf.size())
        .int32(rowOf.columns())
        .int32(x.columns());
    queue.run(launch);
  }

  @Override
  public void gatherBackward(Tensor dy, Tensor rowOf, boolean accumulate, Tensor dx) {
    requireMoves("gatherBackward", dx, rowOf, dy);
    if (dx.rows() == 0) {
      return;
    }
    Launch launch = overRows(gatherBackward.of(dx.dtype()), dx.rows());
    launch
        .arguments()
        .tensor(dy)
        .tensor(rowOf)
        .int32(accumulate ? 1 : 0)
        .tensor(dx)
        .int64(dx.rows())
        .int32(rowOf.columns())
        .int32(dx.columns());
    queue.run(launch);
  }

  @Override
  public void scatter(Tensor y, Tensor rowOf, Tensor weights, boolean accumulate, Tensor out) {
    Doors.requireVector("scatter: weights", weights, rowOf.size(), DType.F32);
    requireMoves("scatter", out, rowOf, y);
    if (out.rows() == 0) {
      return;
    }
    Launch launch = overRows(scatter.of(out.dtype()), out.rows());
    launch
        .arguments()
        .tensor(y)
        .tensor(rowOf)
        .tensor(weights)
        .int32(accumulate ? 1 : 0)
        .tensor(out)
        .int64(out.rows())
        .int32(rowOf.columns())
        .int32(out.columns());
    queue.run(launch);
  }

  @Override
  public void scatterBackward(
      Tensor dout, Tensor y, Tensor rowOf, Tensor weights, Tensor dy, Tensor dweights) {
    Doors.requireVector("scatterBackward: weights", weights, rowOf.size(), DType.F32);
    Doors.requireVector("scatterBackward: dweights", dweights, rowOf.size(), DType.F32);
    requireMoves("scatterBackward", dout, rowOf, y);
    Doors.requireMatrix("scatterBackward: dy", dy, y.rows(), y.columns());
    if (rowOf.size() == 0) {
      return;
    }
    Launch launch = overRows(scatterBackward.of(dout.dtype()), rowOf.size());
    launch
        .arguments()
        .tensor(dout)
        .tensor(y)
        .tensor(rowOf)
        .tensor(weights)
        .tensor(dy)
        .tensor(dweights)
        .int64(rowOf.size())
        .int32(rowOf.columns())
        .int32(dout.columns());
    queue.run(launch);
  }

  private Launch overRows(Launch launch, long rows) {
    return launch.grid(queue.blocks(rows, WARPS)).block(KernelQueue.THREADS);
  }

  private static void requireChoice(
      String op, Tensor logits, Tensor probabilities, Tensor weights, Tensor experts) {
    int k = weights.columns();
    requireExperts(op, logits.columns());
    if (k < 1 || k > Math.min(MOST_CHOICES, logits.columns())) {
      throw new IllegalArgumentException(
          "%s: weights: expected 1 to %d choices, got %d"
              .formatted(op, Math.min(MOST_CHOICES, logits.columns()), k));
    }
    Doors.requireType(op + ": logits", logits, DType.F32);
    Doors.requireMatrix(op + ": probabilities", probabilities, logits.rows(), logits.columns());
    Doors.requireMatrix(op + ": weights", weights, logits.rows(), k);
    Doors.requireMatrix(op + ": experts", experts, logits.rows(), k);
    Doors.requireType(op + ": experts", experts, DType.I32);
  }

  private static void requireExperts(String op, int count) {
    int most = EXPERTS[EXPERTS.length - 1];
    if (count < 1 || count > most) {
      throw new IllegalArgumentException(
          "%s: expected 1 to %d experts on a GPU, got %d".formatted(op, most, count));
    }
  }

  private static void requireMoves(String op, Tensor tokens, Tensor rowOf, Tensor rows) {
    Doors.requireType(op + ": rowOf", rowOf, DType.I32);
    if (rowOf.rows() != tokens.rows()) {
      throw new IllegalArgumentException(
          "%s: rowOf: expected [%d, k], got %s".formatted(op, tokens.rows(), rowOf));
    }
    if (rows.rows() < rowOf.size() || rows.columns() != tokens.columns()) {
      throw new IllegalArgumentException(
          "%s: rows: expected at least [%d, %d], got %s"
              .formatted(op, rowOf.size(), tokens.columns(), rows));
    }
    Doors.equalTypes(op + ": tokens and rows", tokens, rows);
  }
}
