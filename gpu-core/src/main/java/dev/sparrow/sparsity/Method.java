package dev.sparrow.sparsity;

import dev.sparrow.collective.Collective;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.ResidualBranch;

/** The single point where a training method is chosen. One instance serves one model. */
public interface Method {
  /** Short name for logs and summaries: {@code dense}, {@code moe}. */
  String name();

  /** The form of one matrix. */
  LinearWeight linearWeight(LinearSpec spec);

  /** The form of the stacked matrices of {@code groups} experts. */
  GroupedLinearWeight groupedLinearWeight(LinearSpec spec, int groups);

  /** The form of one feed-forward block. */
  ResidualBranch feedForward(FeedForwardSpec spec);

  /**
   * Called by every rank after each optimizer step, in the same order of collective calls on all
   * ranks.
   *
   * @param step updates done so far
   */
  void afterStep(long step, Collective collective);
}
