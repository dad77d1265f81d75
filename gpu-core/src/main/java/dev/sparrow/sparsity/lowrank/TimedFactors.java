package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.nn.Convolution;
import dev.sparrow.nn.DenseGroupedWeight;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.PairedTimer;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs a layer's passes in both forms on weights and batches of its sizes, and the decay that
 * factors have of their own.
 */
final class TimedFactors implements LayerTimer {
  /** Of the first layer: products of whole matrices are warm, the run is made of them. */
  private static final long COLD_NANOS = 100_000_000;

  private static final double WEIGHT = 0.01; // products of ones stay finite in 16 bits

  private final Backend backend;
  private final PairedTimer timer;
  private final boolean decays;
  private boolean warm;

  /**
   * @param decays whether the run has weight decay
   */
  TimedFactors(Backend backend, boolean decays) {
    this.backend = backend;
    this.decays = decays;
    this.timer = new PairedTimer(backend);
  }

  @Override
  public PairedTimer.Times time(Layer layer, int rank) {
    try (Trial trial = new Trial(layer)) {
      LinearSpec whole = spec("whole", layer);
      LinearSpec factored = spec("factored", layer);
      Factors factors = trial.factors(factored, rank);
      Runnable wholePasses;
      Runnable factoredPasses;
      if (layer.stacked()) {
        wholePasses = trial.passes(new DenseGroupedWeight(backend, whole, layer.matrices()));
        factoredPasses = trial.passes(new LowRankGroupedWeight(backend, factored.name(), factors));
      } else {
        wholePasses = trial.passes(new DenseWeight(backend, whole));
        factoredPasses = trial.passes(new LowRankWeight(backend, factors));
      }
      FrobeniusDecay decay = new FrobeniusDecay(backend, factors);
      trial.bind(decay);
      long cold = warm ? 0 : COLD_NANOS;
      warm = true;
      PairedTimer.Times passes = timer.time(wholePasses, factoredPasses, cold);
      long decayNanos = decays ? decayNanos(decay) : 0;
      return new PairedTimer.Times(
          passes.firstNanos(), passes.secondNanos() + decayNanos / FrobeniusDecay.EVERY);
    }
  }

  private long decayNanos(FrobeniusDecay decay) {
    Runnable use = () -> decay.subtractFromValues(1e-6);
    return timer.time(use, () -> {}, 0).firstNanos();
  }

  private static LinearSpec spec(String name, Layer layer) {
    return new LinearSpec(name, layer.in(), layer.out(), 1 / Math.sqrt(layer.in()));
  }

  /** Tensors of a layer's sizes; y stands for its own gradient. */
  private final class Trial implements AutoCloseable {
    private final Workspace workspace = new Workspace(backend);
    private final List<Parameter> parameters = new ArrayList<>();
    private final Layer layer;
    private final Tensor x; // (rows, in), or the pixels of a convolution's images
    private final Tensor y; // (rows, out)
    private final Tensor dx; // as x
    private final Tensor offsets; // I32 (matrices + 1)
    private Factors factors;
    private ParameterArena arena;

    Trial(Layer layer) {
      this.layer = layer;
      ConvShape window = layer.window();
      int rows = window == null ? layer.rows() : window.rows();
      int columns = window == null ? layer.in() : window.channels();
      x = workspace.keep(rows, columns);
      y = workspace.keep(layer.rows(), layer.out());
      dx = workspace.keep(rows, columns);
      offsets = workspace.keep(DType.I32, layer.matrices() + 1);
      int[] even = new int[layer.matrices() + 1];
      for (int e = 0; e < even.length; e++) {
        even[e] = (int) ((long) layer.rows() * e / layer.matrices());
      }
      backend.upload(even, 0, offsets);
      backend.elementwise().fill(x, 1);
    }

    Factors factors(LinearSpec spec, int rank) {
      Factors plain = Factors.of(spec, layer.matrices(), layer.stacked(), rank);
      factors = layer.normalizes() ? plain.normalized(backend, spec) : plain;
      return factors;
    }

    Runnable passes(LinearWeight weight) {
      weight.parameters(parameters::add);
      if (layer.window() != null) {
        return convolutionPasses(weight);
      }
      weight.reserve(workspace, layer.rows());
      return () -> {
        weight.forward(x, null, null, y);
        weight.backward(x, y, null, false, dx);
      };
    }

    private Runnable convolutionPasses(LinearWeight weight) {
      Convolution convolution = new Convolution(backend, "timed", weight, layer.window());
      convolution.reserve(workspace, layer.window().images());
      Pass training = new Pass(true, 0, 0, layer.window().images(), 1, 1);
      return () -> {
        convolution.forward(x, training, y);
        convolution.backward(x, y, false, dx);
      };
    }

    Runnable passes(GroupedLinearWeight weight) {
      weight.parameters(parameters::add);
      weight.reserve(workspace, layer.rows());
      return () -> {
        weight.forward(x, null, offsets, y);
        weight.backward(x, null, y, offsets, false, dx);
      };
    }

    void bind(FrobeniusDecay decay) {
      decay.reserve(workspace);
      arena = new ParameterArena(backend, parameters);
      backend.elementwise().fill(arena.values(), WEIGHT);
      arena.publish();
    }

    @Override
    public void close() {
      if (arena != null) {
        arena.close();
      }
      if (factors != null) {
        factors.close();
      }
      workspace.close();
    }
  }
}
