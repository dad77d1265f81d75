package dev.sparrow.optim;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.tensor.Tensor;
import java.util.List;

/**
 * Updates the weights of one arena from its gradients. All that it remembers from step to step is
 * in its {@link #state} tensors and the update's number, which the caller keeps: so saving and
 * restoring those two restores the optimizer. Owns its state tensors until closed.
 */
public interface Optimizer extends AutoCloseable {
  /**
   * @param name such as {@code exp_avg}; distinct in one optimizer
   * @param values parallel to the arena: element i belongs to weight i
   * @param squared whether it is of squared gradients
   */
  record State(String name, Tensor values, boolean squared) {}

  /**
   * One update.
   *
   * @param update 1 for the first of the run, for bias corrections
   * @param gradientScale the gradient is multiplied by this where it is read: clipping costs no
   *     pass of its own
   */
  void step(long update, double learningRate, double gradientScale);

  /** State tensors in a fixed order, zero at the start of a run. */
  List<State> state();

  @Override
  void close();

  /** The optimizer that the settings name. */
  static Optimizer of(OptimizerSettings settings, Backend backend, ParameterArena arena) {
    return switch (settings.name()) {
      case ADAMW -> new AdamW(settings, backend, arena);
      case SGD -> new SgdMomentum(settings, backend, arena);
    };
  }
}
