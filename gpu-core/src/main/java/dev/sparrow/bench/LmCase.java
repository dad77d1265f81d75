package dev.sparrow.bench;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.ModelShape.NormKind;
import dev.sparrow.config.ModelShape.Positions;
import dev.sparrow.config.Moe;
import dev.sparrow.config.Uniform;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.model.TransformerLm;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.moe.MoeMethod;
import dev.sparrow.sparsity.uniform.UniformMethod;
import java.util.List;
import java.util.Random;

/**
 * A language model to measure.
 *
 * @param moe the feed-forward blocks' experts; null: dense blocks
 * @param uniform the sparse matrices' format, at its last sparsity from the start; null: all dense
 * @param vocabulary token ids are below it
 * @param batch sequences of a step
 * @param warmUp steps before the first measured one; on a CPU the compiler needs some thousand
 *     calls
 * @param runs measured steps
 */
public record LmCase(
    String name,
    ModelShape shape,
    Moe moe,
    Uniform uniform,
    int vocabulary,
    int batch,
    int warmUp,
    int runs) {
  private static final String FEED_FORWARD = "*.feed_forward.*";

  /** nanoGPT's configuration for a CPU. */
  public static final LmCase GPT_SMALL =
      new LmCase("gpt-small", gpt(4, 4, 128, 64), null, null, 65, 12, 400, 60);

  /** nanoGPT's character-level configuration, at batch 16. */
  public static final LmCase GPT_MEDIUM = medium("gpt-medium", null);

  /** The same with nine of ten weights of the feed-forward blocks zero, rows each on their own. */
  public static final LmCase GPT_MEDIUM_ROWS =
      medium("gpt-medium-ffn90", uniform(Uniform.Format.UNIFORM, 1, FEED_FORWARD));

  /** The same in groups of four rows. */
  public static final LmCase GPT_MEDIUM_GROUPS =
      medium("gpt-medium-ffn90-g4", uniform(Uniform.Format.GROUP, 4, FEED_FORWARD));

  private static final ModelShape SHAPE_OF_GPT2 =
      shape(12, 12, 768, 1024, Activation.GELU_TANH, true);
  private static final int GPT2_VOCABULARY = 50257;

  /** GPT-2 small (Radford et al. 2019), 124,439,808 parameters; 12 GiB on a GPU. */
  public static final LmCase GPT2 = gpt2("gpt2-124m", null, null);

  /** The same with 8 experts of a dense block's size; 20 GiB on a GPU. */
  public static final LmCase GPT2_E8 = gpt2("gpt2-124m-e8-top1", experts(8, 1, 3072), null);

  /** The same with 64 experts of a quarter of it, four for each token; 32 GiB on a GPU. */
  public static final LmCase GPT2_E64 = gpt2("gpt2-124m-e64-top4", experts(64, 4, 768), null);

  /** The same with nine of ten weights of the feed-forward blocks zero, in groups of 64 rows. */
  public static final LmCase GPT2_GROUPS =
      gpt2("gpt2-124m-ffn90-g64", null, uniform(Uniform.Format.GROUP, 64, FEED_FORWARD));

  private static LmCase medium(String name, Uniform uniform) {
    return new LmCase(name, gpt(6, 6, 384, 256), null, uniform, 65, 16, 6, 7);
  }

  /**
   * 90% in every layer of that name, by a pattern that is drawn.
   *
   * @param groupRows that share their columns, of the group format
   */
  static Uniform uniform(Uniform.Format format, int groupRows, String layers) {
    return new Uniform(
        Uniform.Schedule.STATIC,
        0.9,
        Uniform.Distribution.UNIFORM,
        format,
        groupRows,
        128,
        List.of(layers),
        List.of(),
        0,
        0,
        100,
        0.3,
        0,
        Uniform.Products.SPARSE);
  }

  private static LmCase gpt2(String name, Moe moe, Uniform uniform) {
    return new LmCase(name, SHAPE_OF_GPT2, moe, uniform, GPT2_VOCABULARY, 32, 10, 50);
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
        ModelShape.Kind.TRANSFORMER,
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
        0.02,
        List.of(),
        1,
        0);
  }

  /** Its step on random tokens. */
  WholeStep step(Backend backend) {
    TokenBatch fixed = new TokenBatch(batch, shape.context(), backend::hostInts);
    Random random = new Random(0);
    for (int i = 0; i < fixed.tokens().limit(); i++) {
      fixed.tokens().put(i, random.nextInt(vocabulary));
    }
    fixed.filled(batch, 0);
    return new WholeStep(backend, model(backend), fixed);
  }

  /** The model, without memory yet. */
  TransformerLm model(Backend backend) {
    Method matrices =
        uniform == null ? new DenseMethod(backend) : new UniformMethod(backend, uniform, 1, 0);
    Method method = moe == null ? matrices : new MoeMethod(backend, moe, shape, matrices);
    return new TransformerLm(backend, shape, vocabulary, method);
  }

  boolean isDense() {
    return moe == null && uniform == null;
  }

  /** Whether it differs from another case in its method alone. */
  boolean isOfTheSizeOf(LmCase other) {
    return shape.equals(other.shape) && vocabulary == other.vocabulary && batch == other.batch;
  }

  /** Of a step. */
  int tokens() {
    return batch * shape.context();
  }
}
