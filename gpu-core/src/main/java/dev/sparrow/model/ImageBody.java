package dev.sparrow.model;

import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** What an {@link ImageClassifier} has before its head: images to one row of features each. */
interface ImageBody {
  /** How an image becomes rows of input. */
  PatchGrid patches();

  /** Columns of the features. */
  int width();

  /** In forward order. */
  void parameters(Consumer<Parameter> sink);

  /** Parameters were replaced, moved or changed their form. */
  void parametersChanged();

  void buffers(Consumer<Buffer> sink);

  /** Whether passes may be recorded, see {@link dev.sparrow.nn.Layer#recordable}. */
  boolean recordable();

  void reserve(Workspace workspace, int samples);

  /**
   * @param x (samples·patches, columns), left as it is until backward
   * @return (samples, {@link #width})
   */
  Tensor forward(Tensor x, Pass pass);

  /**
   * @param dy (samples, {@link #width}), used up
   * @param complete told parameters as soon as their gradients are complete
   */
  void backward(Tensor x, Tensor dy, Pass pass, Consumer<Parameter> complete);

  void figures(FigureSink sink);

  /** FLOPs of one image. */
  void describe(LayerSummary.Sink sink);
}
