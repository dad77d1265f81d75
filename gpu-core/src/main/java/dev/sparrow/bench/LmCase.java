package dev.sparrow.bench;

import dev.sparrow.backend.Activation;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.ModelShape.NormKind;
import dev.sparrow.config.ModelShape.Positions;

/**
 * A language model to measure: pre-norm GPT, learned positions, exact GELU, biases, a head of its
 * own, no dropout.
 *
 * @param batch sequences of a step
 * @param warmUp steps before the first measured one; the compiler needs some thousand calls
 * @param runs measured steps
 */
public record LmCase(
    String name,
    int layers,
    int heads,
    int width,
    int context,
    int batch,
    int vocabulary,
    int warmUp,
    int runs) {
  /** nanoGPT's configuration for a CPU. */
  public static final LmCase GPT_SMALL = new LmCase("gpt-small", 4, 4, 128, 64, 12, 65, 400, 60);

  /** nanoGPT's character-level configuration, at batch 16. */
  public static final LmCase GPT_MEDIUM = new LmCase("gpt-medium", 6, 6, 384, 256, 16, 65, 6, 7);

  ModelShape shape() {
    return new ModelShape(
        layers,
        heads,
        width,
        0,
        context,
        Positions.LEARNED,
        10000,
        NormKind.LAYER,
        1e-5,
        Activation.GELU,
        false,
        true,
        false,
        0,
        0.02);
  }

  int tokens() {
    return batch * context;
  }
}
