package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.EmbeddingOps;
import dev.sparrow.tensor.Tensor;

/** One row for each sequence: the mean of its rows. */
public final class SequenceMean {
  private final EmbeddingOps ops;
  private final int width;
  private int length; // rows of a sequence
  private Tensor y; // (sequences, width)
  private Tensor dx; // (rows, width), scratch

  public SequenceMean(Backend backend, int width) {
    this.ops = backend.embedding();
    this.width = width;
  }

  /**
   * Takes memory for passes of at most {@code sequences} sequences, each of {@code length} rows.
   */
  public void reserve(Workspace workspace, int sequences, int length) {
    this.length = length;
    y = workspace.keep(sequences, width);
    dx = workspace.scratch("branch.dx", Math.multiplyExact(sequences, length), width);
  }

  /**
   * @param x (sequences·length, width)
   * @return (sequences, width), the layer's own buffer
   */
  public Tensor forward(Tensor x, Pass pass) {
    Tensor out = y.first(pass.sequences());
    ops.mean(x, length, out);
    return out;
  }

  /**
   * @param dy (sequences, width)
   * @return (sequences·length, width), scratch
   */
  public Tensor backward(Tensor dy, Pass pass) {
    Tensor result = dx.first(pass.sequences() * length);
    ops.meanBackward(dy, length, result);
    return result;
  }
}
