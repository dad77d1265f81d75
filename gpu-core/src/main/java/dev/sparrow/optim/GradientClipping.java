package dev.sparrow.optim;

/**
 * Clipping to a global norm (Pascanu et al. 2013), as {@code torch.nn.utils.clip_grad_norm_}.
 *
 * @param maxNorm largest L2 norm of the whole gradient; 0: not clipped
 */
public record GradientClipping(double maxNorm) {
  /** Keeps the quotient finite, as in PyTorch. */
  private static final double EPSILON = 1e-6;

  public GradientClipping {
    if (!(maxNorm >= 0)) {
      throw new IllegalArgumentException(
          "optimizer.clip-norm: expected a number >= 0, got " + maxNorm);
    }
  }

  /** What the gradient is to be multiplied by: {@code min(1, maxNorm/(norm + 1e-6))}. */
  public double scale(double norm) {
    return maxNorm == 0 ? 1 : Math.min(1, maxNorm / (norm + EPSILON));
  }
}
