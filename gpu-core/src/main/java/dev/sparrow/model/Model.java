package dev.sparrow.model;

import dev.sparrow.data.Batch;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import java.util.function.Consumer;

/** A network with its loss, as the trainer sees it. */
public interface Model {
  /** All parameters in forward order; a shared one may come twice. */
  List<Parameter> parameters();

  /** All tensors that are saved but not trained. */
  List<Buffer> buffers();

  /**
   * Called when parameters were replaced, moved or changed their form: what a pass has remembered
   * of them is void.
   */
  void parametersChanged();

  /** Rows of activations that a sample brings: tokens of a sequence, patches of an image. */
  int length();

  /** Terms of the loss that a sample brings: each token of a sequence, the label of an image. */
  int targets();

  /** What its loss is a mean over: the kind of target. */
  Unit unit();

  /** Takes activation memory for micro-batches of at most {@code samples} samples. */
  void reserve(Workspace workspace, int samples);

  /**
   * Forward, loss and backward; gradients are added to the arena.
   *
   * @param batch of the kind that the model is for, else {@link IllegalArgumentException}
   * @param complete told a parameter as soon as its gradient and those of all parameters after it
   *     in arena order are complete for this micro-batch; null: nobody waits, and the pass may be
   *     replayed from a recording
   */
  void forwardBackward(Batch batch, Pass pass, Consumer<Parameter> complete);

  /** Forward and loss alone. */
  void forward(Batch batch, Pass pass);

  /**
   * {@code total = } the sum of the last pass's losses in nats, without auxiliary losses, or {@code
   * +=} with accumulate; asks the device and waits for nothing.
   *
   * @param total F64 (1)
   */
  void lossSum(boolean accumulate, Tensor total);

  /** {@link #lossSum}; waits for the device. */
  double lossSumSync();

  /** The figures of the last pass; waits for the device. */
  void figures(FigureSink sink);

  void describe(LayerSummary.Sink sink);
}
