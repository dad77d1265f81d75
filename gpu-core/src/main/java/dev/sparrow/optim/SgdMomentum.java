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
  private record Part(ArenaWindow window, Tensor momentum) {}

  private final OptimizerSettings settings;
  private final Backend backend;
  private final Tensor momentum; // (arena)
  private final List<Part> parts;

  public SgdMomentum(OptimizerSettings settings, Backend backend, ParameterArena arena) {
    this.settings = settings;
    this.backend = backend;
    this.momentum = backend.allocate(Math.toIntExact(arena.size()));
    this.parts = ArenaWindow.of(arena).stream().map(w -> new Part(w, w.of(momentum))).toList();
  }

  @Override
  public void step(long update, double learningRate, double gradientScale) {
    OptimizerOps.Sgd decayed = at(learningRate, settings.weightDecay());
    OptimizerOps.Sgd plain = at(learningRate, 0);
    OptimizerOps ops = backend.optimizer();
    for (int i = 0; i < parts.size(); i++) {
      Part part = parts.get(i);
      ArenaWindow window = part.window;
      ops.sgd(
          window.decay() ? decayed : plain,
          gradientScale,
          window.gradient(),
          window.value(),
          part.momentum);
    }
  }

  private OptimizerOps.Sgd at(double learningRate, double decay) {
    return new OptimizerOps.Sgd(learningRate, settings.momentum(), decay, settings.nesterov());
  }

  @Override
  public List<State> state() {
    return List.of(new State("momentum", momentum));
  }

  @Override
  public void close() {
    backend.free(momentum);
  }
}
