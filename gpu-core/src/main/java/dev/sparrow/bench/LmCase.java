package dev.sparrow.bench;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.ModelShape.NormKind;
import dev.sparrow.config.ModelShape.Positions;
import dev.sparrow.config.Moe;
import dev.sparrow.model.TransformerLm;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.moe.MoeMethod;

/**
 * A language model to measure.
 *
 * @param moe the feed-forward blocks' experts; null: dense blocks
 * @param vocabulary token ids are below it
 * @param batch sequences of a step
 * @param warmUp steps before the first measured one; on a CPU the compiler needs some thousand
 *     calls
 * @param runs measured steps
 */
public record LmCase(
    String name, ModelShape shape, Moe moe, int vocabulary, int batch, int warmUp, int runs) {
  /** nanoGPT's configuration for a CPU. */
  public static final LmCase GPT_SMALL =
      new LmCase("gpt-small", gpt(4, 4, 128, 64), null, 65, 12, 400, 60);

  /** nanoGPT's character-level configuration, at batch 16. */
  public static final LmCase GPT_MEDIUM =
      new LmCase("gpt-medium", gpt(6, 6, 384, 256), null, 65, 16, 6, 7);

  private static final ModelShape SHAPE_OF_GPT2 =
      shape(12, 12, 768, 1024, Activation.GELU_TANH, true);
  private static final int GPT2_VOCABULARY = 50257;

  /** GPT-2 small (Radford et al. 2019), 124,439,808 parameters; 12 GiB on a GPU. */
  public static final LmCase GPT2 = gpt2("gpt2-124m", null);

  /** The same with 8 experts of a dense block's size; 20 GiB on a GPU. */
  public static final LmCase GPT2_E8 = gpt2("gpt2-124m-e8-top1", experts(8, 1, 3072));

  /** The same with 64 experts of a quarter of it, four for each token; 32 GiB on a GPU. */
  public static final LmCase GPT2_E64 = gpt2("gpt2-124m-e64-top4", experts(64, 4, 768));

  private static LmCase gpt2(String name, Moe moe) {
    return new LmCase(name, SHAPE_OF_GPT2, moe, GPT2_VOCABULARY, 32, 10, 50);
  }

  /** Dropless in every block, the rest as conf/reference.conf has it. */
  static Moe experts(int experts, int topK, int hidden) {
    return new Moe(experts, topK, hidden, 0, Moe.Dispatch.DROPLESS, 1.25, 0, 1, 0.01, 0.001, 0, 1);
  }

  /** Pre-norm GPT, learned positions, exact GELU, biases, a head of its own, no dropout. */
  static ModelShape gpt(int layers, int heads, int width, int context) {
    return shape(layers, heads, width, context, Activation.GELU, false);
  }

  private static ModelShape shape(
      int layers, int heads, int width, int context, Activation activation, boolean tiedHead) {
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
        activation,
        false,
        true,
        tiedHead,
        0,
        0.02);
  }

  /** The model, without memory yet. */
  TransformerLm model(Backend backend) {
    Method dense = new DenseMethod(backend);
    Method method = moe == null ? dense : new MoeMethod(backend, moe, shape, dense);
    return new TransformerLm(backend, shape, vocabulary, method);
  }

  /** Of a step. */
  int tokens() {
    return batch * shape.context();
  }
}
