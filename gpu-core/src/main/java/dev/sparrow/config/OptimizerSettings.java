package dev.sparrow.config;

/**
 * The optimizer. Keys {@code optimizer.*}; conf/reference.conf tells each one's meaning, unit and
 * range.
 */
public record OptimizerSettings(
    Kind name,
    double learningRate,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    double momentum,
    boolean nesterov,
    double clipNorm) {
  public enum Kind {
    ADAMW,
    SGD
  }
}
