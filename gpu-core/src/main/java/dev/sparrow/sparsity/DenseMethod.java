package dev.sparrow.sparsity;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.Collective;
import dev.sparrow.nn.DenseFeedForward;
import dev.sparrow.nn.DenseGroupedWeight;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.FeedForwardSpec;
import dev.sparrow.nn.GroupedLinearWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.ResidualBranch;

/** No sparsity: every matrix is stored whole and every token meets all of it. */
public final class DenseMethod implements Method {
  private final Backend backend;

  public DenseMethod(Backend backend) {
    this.backend = backend;
  }

  @Override
  public String name() {
    return "dense";
  }

  @Override
  public LinearWeight linearWeight(LinearSpec spec) {
    return new DenseWeight(backend, spec);
  }

  @Override
  public GroupedLinearWeight groupedLinearWeight(LinearSpec spec, int groups) {
    return new DenseGroupedWeight(backend, spec, groups);
  }

  @Override
  public ResidualBranch feedForward(FeedForwardSpec spec) {
    return new DenseFeedForward(backend, spec, this::linearWeight);
  }

  @Override
  public ModelChange afterStep(long step, Collective collective) {
    return ModelChange.NONE;
  }
}
