package dev.sparrow.optim;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.tensor.Tensor;
import java.util.List;

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019), as PyTorch's {@code
 * torch.optim.AdamW}; the decay meets only segments that ask for it.
 */
public final class AdamW implements Optimizer {
  private final OptimizerSettings settings;
  private final Backend backend;
  private final Tensor firstMoment; // (arena)
  private final Tensor secondMoment; // (arena)
  private final OptimizerOps.Weights weights;

  public AdamW(OptimizerSettings settings, Backend backend, ParameterArena arena) {
    this.settings = settings;
    this.backend = backend;
    int size = Math.toIntExact(arena.size());
    this.firstMoment = backend.allocate(size);
    this.secondMoment = backend.allocate(size);
    this.weights = arena.weights();
  }

  @Override
  public void step(long update, double learningRate, double gradientScale) {
    OptimizerOps.AdamW step =
        new OptimizerOps.AdamW(
            learningRate,
            settings.beta1(),
            settings.beta2(),
            settings.epsilon(),
            settings.weightDecay(),
            update);
    backend.optimizer().adamW(step, gradientScale, weights, firstMoment, secondMoment);
  }

  @Override
  public List<State> state() {
    return List.of(
        new State("exp_avg", firstMoment, false), new State("exp_avg_sq", secondMoment, true));
  }

  @Override
  public void close() {
    backend.free(firstMoment);
    backend.free(secondMoment);
  }
}
