package dev.sparrow.train;

import dev.sparrow.collective.Collective;
import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Model;
import dev.sparrow.nn.Pass;

/** Mean loss of a model whose memory is reserved; no dropout, no gradients. */
public final class Evaluator {
  private final Model model;
  private final Collective collective;

  /**
   * @param collective whose ranks each evaluate their own stripe and get the same result
   */
  public Evaluator(Model model, Collective collective) {
    this.model = model;
    this.collective = collective;
  }

  /** Evaluates until next() gives null. The source stays open. */
  public Evaluation evaluate(BatchSource source) {
    double loss = 0;
    long tokens = 0;
    for (Batch batch = source.next(); batch != null; batch = source.next()) {
      model.forward(batch, Pass.inference(batch.samples(), model.length()));
      loss += model.lossSumSync();
      tokens += (long) batch.samples() * model.targets();
    }
    double[] sums = {loss, tokens};
    collective.allReduce(sums);
    return new Evaluation(sums[0] / sums[1], (long) sums[1]);
  }
}
