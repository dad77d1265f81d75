package dev.sparrow.data;

/**
 * The model that knows only how often each token comes: what any language model must beat. With
 * add-one smoothing (Laplace), {@code p(v) = (count(v) + 1) / (Σ count + vocabulary)}.
 */
public final class UnigramModel {
  private UnigramModel() {}

  /**
   * Mean loss in nats of the training tokens' model on the validation tokens.
   *
   * @param training how often each id of the vocabulary comes in the training split
   * @param validation likewise in the validation split
   */
  public static double loss(long[] training, long[] validation) {
    if (training.length != validation.length) {
      throw new IllegalArgumentException(
          "unigram counts: expected two of one vocabulary, got "
              + training.length
              + " and "
              + validation.length);
    }
    double logTotal = Math.log(sum(training) + training.length);
    double loss = 0;
    for (int id = 0; id < training.length; id++) {
      loss += validation[id] * (logTotal - Math.log(training[id] + 1));
    }
    return loss / sum(validation);
  }

  private static double sum(long[] counts) {
    double sum = 0;
    for (long count : counts) {
      sum += count;
    }
    return sum;
  }
}
