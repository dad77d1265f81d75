package dev.sparrow.optim;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.tensor.Tensor;
import java.util.List;

/**
 * Stochastic gradient descent with momentum (Sutskever et al. 2013) in the form of {@code
 * torch.optim.SGD}: decay is added to the gradient, and only in segments that ask for it.
 */
public final class SgdMomentum implements Optimizer {
  private final OptimizerSettings settings;
  private final Backend backend;
  private final Tensor momentum; // (arena)
  private final OptimizerOps.Weights weights;

  public SgdMomentum(OptimizerSettings settings, Backend backend, ParameterArena arena) {
    this.settings = settings;
    this.backend = backend;
    this.momentum = backend.allocate(Math.toIntExact(arena.size()));
    this.weights = arena.weights();
  }

  @Override
  public void step(long update, double learningRate, double gradientScale) {
    OptimizerOps.Sgd step =
        new OptimizerOps.Sgd(
            learningRate, settings.momentum(), settings.weightDecay(), settings.nesterov());
    backend.optimizer().sgd(step, gradientScale, weights, momentum);
  }

  @Override
  public List<State> state() {
    return List.of(new State("momentum", momentum, false));
  }

  @Override
  public void close() {
    backend.free(momentum);
  }
}
