package dev.sparrow.backend;

import static dev.sparrow.backend.RoundedStorage.compute;
import static dev.sparrow.backend.RoundedStorage.floats;
import static dev.sparrow.backend.RoundedStorage.ints;
import static dev.sparrow.backend.RoundedStorage.round;

import dev.sparrow.tensor.Tensor;

/** The oracle's routing, rounded once: a router's numbers to F32, what it moves to BF16. */
final class RoundingRoutingOps implements RoutingOps {
  private final RoutingOps ops;

  RoundingRoutingOps(RoutingOps ops) {
    this.ops = ops;
  }

  @Override
  public void jitter(Tensor x, double epsilon, Draws draws, boolean accumulate, Tensor out) {
    ops.jitter(compute(x), epsilon, draws, accumulate, compute(out));
    round(out);
  }

  @Override
  public void topK(
      Tensor logits,
      Tensor bias,
      double normalization,
      Tensor probabilities,
      Tensor weights,
      Tensor experts) {
    ops.topK(
        floats(logits),
        floats(bias),
        normalization,
        floats(probabilities),
        floats(weights),
        ints(experts));
    round(probabilities, weights);
  }

  @Override
  public void topKBackward(
      Tensor dweights,
      Tensor experts,
      Tensor weights,
      double normalization,
      Tensor probabilities,
      Tensor dprobabilities,
      double zLossScale,
      Tensor logits,
      Tensor dlogits) {
    ops.topKBackward(
        floats(dweights),
        ints(experts),
        floats(weights),
        normalization,
        floats(probabilities),
        floats(dprobabilities),
        zLossScale,
        floats(logits),
        floats(dlogits));
    round(dlogits);
  }

  @Override
  public void sort(Tensor experts, Tensor offsets, Tensor tokenOf, Tensor rowOf) {
    ops.sort(ints(experts), ints(offsets), ints(tokenOf), ints(rowOf));
  }

  @Override
  public void load(Tensor offsets, Tensor load) {
    ops.load(ints(offsets), ints(load));
  }

  @Override
  public void addLoad(Tensor load, Tensor sums) {
    ops.addLoad(ints(load), ints(sums));
  }

  @Override
  public void loadBalancingGradient(Tensor load, double scale, Tensor dprobabilities) {
    ops.loadBalancingGradient(ints(load), scale, floats(dprobabilities));
    round(dprobabilities);
  }

  @Override
  public void gather(Tensor x, Tensor rowOf, Tensor y) {
    ops.gather(compute(x), ints(rowOf), compute(y));
    round(y);
  }

  @Override
  public void gatherBackward(Tensor dy, Tensor rowOf, boolean accumulate, Tensor dx) {
    ops.gatherBackward(compute(dy), ints(rowOf), accumulate, compute(dx));
    round(dx);
  }

  @Override
  public void scatter(Tensor y, Tensor rowOf, Tensor weights, boolean accumulate, Tensor out) {
    ops.scatter(compute(y), ints(rowOf), floats(weights), accumulate, compute(out));
    round(out);
  }

  @Override
  public void scatterBackward(
      Tensor dout, Tensor y, Tensor rowOf, Tensor weights, Tensor dy, Tensor dweights) {
    ops.scatterBackward(
        compute(dout), compute(y), ints(rowOf), floats(weights), compute(dy), floats(dweights));
    round(dy, dweights);
  }
}
