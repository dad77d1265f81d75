package dev.sparrow.data;

/**
 * Samples that lie in memory, to be copied into batches; the order is others' affair.
 *
 * @param <B> kind of batch that holds them
 */
public interface Rows<B extends Batch> {
  /** How many there are. */
  int count();

  /** An empty batch for {@code samples} of them. */
  B batch(int samples);

  /**
   * Copies one into a batch.
   *
   * @param row in [0, {@link #count})
   * @param sample its number in the run, epochs counted on; what is drawn for it depends on that
   * @param batch of {@link #batch}
   * @param place of the sample in the batch, from 0
   */
  void copy(int row, long sample, B batch, int place);
}
