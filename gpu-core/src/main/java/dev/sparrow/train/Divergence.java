package dev.sparrow.train;

import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Parameter;
import dev.sparrow.tensor.Tensor;

/** Finds where a run stopped being finite. All ranks hold the same bits and find the same. */
final class Divergence {
  private final Backend backend;
  private final Replica replica;

  Divergence(Replica replica) {
    this.backend = replica.backend();
    this.replica = replica;
  }

  void requireFinite(long step, double loss, double gradientNorm, String lastCheckpoint) {
    if (!Double.isFinite(loss) || !Double.isFinite(gradientNorm)) {
      throw diverged(step, "loss " + loss + ", gradient norm " + gradientNorm, lastCheckpoint);
    }
  }

  /** Before weights are saved. */
  void requireFiniteWeights(long step, String lastCheckpoint) {
    if (!Double.isFinite(norm(replica.arena().values()))) {
      throw diverged(step, "weights that are not finite after the update", lastCheckpoint);
    }
  }

  private TrainingDivergedException diverged(long step, String what, String lastCheckpoint) {
    return new TrainingDivergedException(
        step,
        "training diverged at step "
            + step
            + ": "
            + what
            + "; "
            + firstNonFinite()
            + "; "
            + lastCheckpoint
            + "; lower optimizer.learning-rate, lengthen schedule.warmup-steps or set"
            + " optimizer.clip-norm");
  }

  private String firstNonFinite() {
    for (Parameter parameter : replica.arena().parameters()) {
      if (!Double.isFinite(norm(parameter.value()))) {
        return "first in the weights of " + parameter + " (norm " + norm(parameter.value()) + ")";
      }
    }
    for (Parameter parameter : replica.arena().parameters()) {
      if (!Double.isFinite(norm(parameter.gradient()))) {
        return "first in the gradient of "
            + parameter
            + " (norm "
            + norm(parameter.gradient())
            + ", weights' norm "
            + norm(parameter.value())
            + ")";
      }
    }
    return "all weights and gradients are finite one by one";
  }

  private double norm(Tensor tensor) {
    return Math.sqrt(backend.elementwise().squaredNormSync(tensor));
  }
}
