package dev.sparrow.sparsity.moe;

import dev.sparrow.config.Moe;

/**
 * Sizes and losses of one router.
 *
 * @param name dotted path of the feed-forward block; the weight is {@code name + ".router.weight"}
 * @param standardDeviation of the initial weights
 * @param jitter inputs are multiplied by U(1 - jitter, 1 + jitter) while training, in [0, 1)
 * @param normalization p of the Lp norm that the k weights are divided by; 0: not divided
 * @param loadBalancingLoss weight of the load-balancing loss
 * @param zLoss weight of the z-loss
 * @param biasBalancing step of loss-free balancing; 0: off
 * @param routers mixture-of-experts blocks of the model, over which the losses are averaged
 */
public record RouterSpec(
    String name,
    int width,
    int experts,
    int topK,
    double standardDeviation,
    double jitter,
    double normalization,
    double loadBalancingLoss,
    double zLoss,
    double biasBalancing,
    int routers) {

  /** The most experts that a token can go to. */
  public static final int MAX_TOP_K = 8;

  public RouterSpec {
    require(width >= 1, name, "width", ">= 1", width);
    require(experts >= 1, name, "experts", ">= 1", experts);
    int most = Math.min(MAX_TOP_K, experts);
    require(topK >= 1 && topK <= most, name, "top-k", "1 to " + most + " (8, experts)", topK);
    require(jitter >= 0 && jitter < 1, name, "jitter", "in [0, 1)", jitter);
    require(normalization >= 0, name, "normalization", ">= 0", normalization);
    require(loadBalancingLoss >= 0, name, "load-balancing-loss", ">= 0", loadBalancingLoss);
    require(zLoss >= 0, name, "z-loss", ">= 0", zLoss);
    require(biasBalancing >= 0, name, "bias-balancing", ">= 0", biasBalancing);
    require(routers >= 1, name, "routers", ">= 1", routers);
  }

  /** The router of one block as the configuration wants it. */
  public static RouterSpec of(String name, int width, double deviation, Moe moe, int routers) {
    return new RouterSpec(
        name,
        width,
        moe.experts(),
        moe.topK(),
        deviation,
        moe.jitter(),
        moe.normalization(),
        moe.loadBalancingLoss(),
        moe.zLoss(),
        moe.biasBalancing(),
        routers);
  }

  private static void require(boolean holds, String name, String key, String range, Number got) {
    if (!holds) {
      throw new IllegalArgumentException(
          name + ".router: expected " + key + " " + range + ", got " + got);
    }
  }
}
