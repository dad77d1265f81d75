package dev.sparrow.bench;

import dev.sparrow.backend.Activation;
import dev.sparrow.config.Moe;
import dev.sparrow.config.Moe.Dispatch;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * One mixture-of-experts feed-forward to measure.
 *
 * @param name the case within the suite
 * @param load how tokens choose
 */
public record MoeBenchCase(
    String name, Sizes sizes, int experts, int topK, Load load, Moe.Dispatch dispatch) {

  /**
   * Of a feed-forward without its experts.
   *
   * @param gated three matrices an expert rather than two
   * @param warmUp passes before the first measured one; a CPU's compiler needs more of them
   */
  public record Sizes(
      int tokens, int width, int hidden, Activation activation, boolean gated, int warmUp) {}

  private static final Sizes SMALL = new Sizes(4096, 256, 1024, Activation.GELU, false, 30);

  /** The layer that published figures of MegaBlocks, Megatron, ScatterMoE and SonicMoE are of. */
  private static final Sizes LARGE = new Sizes(32768, 4096, 1024, Activation.SILU, true, 10);

  static final List<List<MoeBenchCase>> FOR_CPUS =
      List.of(
          List.of(
              small("e8-top1", 8, 1, Load.UNIFORM, Dispatch.DROPLESS),
              small("e8-top1-zipf", 8, 1, Load.ZIPF, Dispatch.DROPLESS),
              small("e8-top1-one-expert", 8, 1, Load.ONE, Dispatch.DROPLESS),
              small("e8-top1-zipf-capacity", 8, 1, Load.ZIPF, Dispatch.CAPACITY),
              small("e8-top1-padded", 8, 1, Load.UNIFORM, Dispatch.PADDED),
              small("e8-top1-zipf-padded", 8, 1, Load.ZIPF, Dispatch.PADDED)),
          List.of(
              small("e64-top1", 64, 1, Load.UNIFORM, Dispatch.DROPLESS),
              small("e64-top1-zipf", 64, 1, Load.ZIPF, Dispatch.DROPLESS),
              small("e64-top1-zipf-capacity", 64, 1, Load.ZIPF, Dispatch.CAPACITY)),
          List.of(
              small("e64-top2", 64, 2, Load.UNIFORM, Dispatch.DROPLESS),
              small("e64-top2-zipf", 64, 2, Load.ZIPF, Dispatch.DROPLESS)));

  /** Some 30 GiB of GPU memory. */
  static final List<List<MoeBenchCase>> FOR_GPUS =
      List.of(
          List.of(
              large("t32768-e64-top4", Load.UNIFORM), large("t32768-e64-top4-zipf", Load.ZIPF)));

  private static MoeBenchCase small(
      String name, int experts, int topK, Load load, Dispatch dispatch) {
    return new MoeBenchCase(name, SMALL, experts, topK, load, dispatch);
  }

  private static MoeBenchCase large(String name, Load load) {
    return new MoeBenchCase(name, LARGE, 64, 4, load, Dispatch.DROPLESS);
  }

  /** How the experts share the tokens. */
  public enum Load {
    /** All experts are equally likely. */
    UNIFORM,
    /** Expert i has the probability 1/(i + 1), normalised. */
    ZIPF,
    /** Expert 0 takes every token; top-1 only. */
    ONE
  }

  /**
   * Inputs whose choices are planted: the first E columns hold the logits, which a router of unit
   * vectors reads. The rest is noise. So the router computes what it always computes.
   */
  float[] inputs(long seed) {
    RandomGenerator random = new SplittableRandom(seed);
    int width = sizes.width();
    float[] x = new float[Math.multiplyExact(sizes.tokens(), width)];
    for (int t = 0; t < sizes.tokens(); t++) {
      for (int i = experts; i < width; i++) {
        x[t * width + i] = (float) random.nextGaussian();
      }
      boolean[] taken = new boolean[experts];
      for (int j = 0; j < topK; j++) {
        int expert = draw(random, taken);
        taken[expert] = true;
        x[t * width + expert] = 2 + topK - j;
      }
    }
    return x;
  }

  private int draw(RandomGenerator random, boolean[] taken) {
    double all = 0;
    for (int e = 0; e < experts; e++) {
      all += taken[e] ? 0 : weight(e);
    }
    double left = random.nextDouble() * all;
    int last = 0;
    for (int e = 0; e < experts; e++) {
      if (!taken[e] && weight(e) > 0) {
        last = e;
        left -= weight(e);
        if (left < 0) {
          return e;
        }
      }
    }
    return last;
  }

  private double weight(int expert) {
    return switch (load) {
      case UNIFORM -> 1;
      case ZIPF -> 1.0 / (expert + 1);
      case ONE -> expert == 0 ? 1 : 0;
    };
  }

  /** Rows of unit vectors, (E, width). */
  float[] routerWeights() {
    float[] weights = new float[experts * sizes.width()];
    for (int e = 0; e < experts; e++) {
      weights[e * sizes.width() + e] = 1;
    }
    return weights;
  }
}
