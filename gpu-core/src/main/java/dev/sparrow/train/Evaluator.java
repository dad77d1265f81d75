package dev.sparrow.train;

import dev.sparrow.collective.Collective;
import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Confusion;
import dev.sparrow.model.ImageClassifier;
import dev.sparrow.model.Model;
import dev.sparrow.nn.Pass;

/**
 * Mean loss of a model whose memory is reserved, and of a classifier what it predicted; no dropout,
 * no gradients.
 */
public final class Evaluator {
  private final Model model;
  private final ImageClassifier classifier; // the model; null where it is none
  private final Collective collective;

  /**
   * @param collective whose ranks each evaluate their own stripe and get the same result
   */
  public Evaluator(Model model, Collective collective) {
    this.model = model;
    this.classifier = model instanceof ImageClassifier images ? images : null;
    this.collective = collective;
  }

  /** Evaluates until next() gives null. The source stays open. */
  public Evaluation evaluate(BatchSource source) {
    Confusion confusion = classifier == null ? null : new Confusion(classifier.classes());
    double loss = 0;
    long targets = 0;
    for (Batch batch = source.next(); batch != null; batch = source.next()) {
      model.forward(batch, Pass.inference(batch.samples(), model.length()));
      loss += model.lossSumSync();
      targets += (long) batch.samples() * model.targets();
      if (classifier != null) {
        classifier.count(batch, confusion);
      }
    }
    return overRanks(loss, targets, confusion);
  }

  private Evaluation overRanks(double loss, long targets, Confusion confusion) {
    double[] sums = new double[2 + (confusion == null ? 0 : confusion.size())];
    sums[0] = loss;
    sums[1] = targets;
    if (confusion != null) {
      confusion.copyTo(sums, 2);
    }
    collective.allReduce(sums);
    if (confusion != null) {
      confusion.copyFrom(sums, 2);
    }
    return new Evaluation(sums[0] / sums[1], (long) sums[1], confusion);
  }
}
